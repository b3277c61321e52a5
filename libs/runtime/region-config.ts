/** Settings that several services share, declared once: what must be the same everywhere has one description. */
import { z } from 'zod';

/** A word that can be part of a subject, a key or a name. */
export const nameSetting = z.string().regex(/^[a-z0-9_-]{1,48}$/, 'use 1-48 characters of a-z, 0-9, _ and -');

/** Where a process belongs and what it talks to. */
export const regionSettings = {
  PENSTOCK_REGION: nameSetting.default('local').describe('Region of this process: one NATS and one Redis.'),
  PENSTOCK_SHARDS: z.coerce
    .number()
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe('Streams of the region: one for each thousand workers. The same at all its processes.'),
  PENSTOCK_NATS_URL: z.string().default('nats://127.0.0.1:4222').describe('NATS server(s) of the region.'),
  PENSTOCK_REDIS_URL: z.string().default('redis://127.0.0.1:6379').describe('Redis of the region.'),
  PENSTOCK_LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('Least level of what is logged, as JSON lines: trace, debug, info, warn, error, silent.'),
};

/** How long what was stored can be fetched. */
export const keepingSettings = {
  PENSTOCK_RESULT_TTL_S: z.coerce
    .number()
    .int()
    .min(1)
    .default(86_400)
    .describe('How long a final answer can be fetched. The same at all processes of a region.'),
  PENSTOCK_EVENTS_TTL_S: z.coerce
    .number()
    .int()
    .min(1)
    .default(43_200)
    .describe(
      'How long the events of a final response can be read again. The same at all processes of a region.',
    ),
};

/** A setting with a notation of its own. @param parse throws an error whose message says what to write. */
export function settingOf<T>(parse: (text: string) => T) {
  return z.string().transform((text, ctx) => {
    try {
      return parse(text);
    } catch (err) {
      ctx.addIssue({ code: 'custom', message: (err as Error).message });
      return z.NEVER;
    }
  });
}
