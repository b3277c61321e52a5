/**
 * One JSON line per event. Prompts and keys are never passed to it; what could carry them nevertheless is left out: of errors all but
 * what {@link tellError} says, fields of these names, and whatever is written as a key is.
 */
import { type DestinationStream, type Logger, pino } from 'pino';
import { withoutSecrets } from './secrets.ts';
import { tellError } from './told-error.ts';

export type { Logger };

const SECRET_FIELDS = ['authorization', 'apiKey', 'body'];

export interface LoggerOptions {
  /** Name of the process. */
  readonly service: string;
  readonly level: string;
}

/** @param to stdout where absent. */
export function createLogger({ service, level }: LoggerOptions, to?: DestinationStream): Logger {
  const options = {
    level,
    base: { service },
    serializers: { err: tellError },
    redact: SECRET_FIELDS.flatMap(name => [name, `*.${name}`]),
    hooks: { streamWrite: withoutSecrets },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  return to === undefined ? pino(options) : pino(options, to);
}
