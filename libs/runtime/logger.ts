/** One JSON line per event. Prompts and keys are never passed to it; fields that could carry them are redacted nevertheless. */
import { type Logger, pino } from 'pino';

export type { Logger };

export function createLogger(options: { service: string; level: string }): Logger {
  return pino({
    level: options.level,
    base: { service: options.service },
    redact: ['authorization', 'apiKey', '*.authorization', '*.apiKey', 'body', '*.body'],
    timestamp: pino.stdTimeFunctions.isoTime,
  });
}
