/** Where a process belongs and what it talks to: the same settings at every service of a region. */
import { z } from 'zod';
import { nameSetting } from './notation.ts';

export const regionSettings = {
  PENSTOCK_REGION: nameSetting.default('local').describe('Region of this process: one NATS and one Redis.'),
  PENSTOCK_SHARDS: z.coerce
    .number()
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe(
      'Streams of the region: one per thousand workers. Must be the same in all processes of the region.',
    ),
  PENSTOCK_NATS_URL: z
    .string()
    .default('nats://127.0.0.1:4222')
    .describe(
      'NATS servers of the region, comma-separated: nats://host:port, nats://user:password@host:port, or tls:// for TLS.',
    ),
  PENSTOCK_REDIS_URL: z
    .string()
    .default('redis://127.0.0.1:6379')
    .describe(
      'Redis of the region: redis://host:port, redis://user:password@host:port, rediss:// for TLS, or redis+sentinel://host:port,host:port/name-of-the-primary.',
    ),
  PENSTOCK_REDIS_REPLICAS: z.coerce
    .number()
    .int()
    .min(0)
    .max(5)
    .default(0)
    .describe(
      'Replicas of Redis that have an accepted run before its 202, and an answer before its message is acked; while fewer are there, stored work waits or gets 503. Must be the same in all processes of the region.',
    ),
  PENSTOCK_LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('Lowest level that is logged, as JSON lines: trace, debug, info, warn, error, silent.'),
};

/** How a process reaches Redis, by its settings. @param name of the process. */
export function redisOf(
  settings: { readonly PENSTOCK_REDIS_URL: string; readonly PENSTOCK_REDIS_REPLICAS: number },
  name: string,
  log: { warn(text: string): void },
) {
  return {
    ...{ url: settings.PENSTOCK_REDIS_URL, replicas: settings.PENSTOCK_REDIS_REPLICAS, name },
    warn: (text: string) => log.warn(`PENSTOCK_REDIS_URL: ${text}`),
  };
}
