/** Where a process belongs and what it talks to: the same settings at every service of a region. */
import { MOST_SHARDS } from '@penstock/protocol';
import { z } from 'zod';
import { nameSetting } from './notation.ts';

/** How a process may be told who it is and whom it trusts: a secret or a PEM text, mostly as a file. */
const text = z.string().optional();

export const natsSettings = {
  PENSTOCK_NATS_URL: z
    .string()
    .default('nats://127.0.0.1:4222')
    .describe(
      'NATS servers of the region, comma-separated: nats://host:port, nats://user:password@host:port, or tls:// for TLS.',
    ),
  PENSTOCK_NATS_USER: text.describe('User of this process at NATS, with PENSTOCK_NATS_PASSWORD.'),
  PENSTOCK_NATS_PASSWORD: text.describe('Password of that user.'),
  PENSTOCK_NATS_TOKEN: text.describe('Token, where NATS asks for that instead of a user.'),
  PENSTOCK_NATS_NKEY: text.describe('Seed of an nkey (SU…), instead of a user.'),
  PENSTOCK_NATS_CREDS: text.describe(
    'A credentials file as nsc writes it (JWT and seed), instead of a user.',
  ),
  PENSTOCK_NATS_CA: text.describe(
    'Certificates (PEM) of the authorities that sign those of NATS, in place of the public ones; asks for TLS.',
  ),
  PENSTOCK_NATS_CERT: text.describe('Certificate (PEM) that this process shows to NATS.'),
  PENSTOCK_NATS_KEY: text.describe('Private key (PEM) of PENSTOCK_NATS_CERT.'),
};

export const redisSettings = {
  PENSTOCK_REDIS_URL: z
    .string()
    .default('redis://127.0.0.1:6379')
    .describe(
      'Redis of the region: redis://host:port, redis://user:password@host:port, rediss:// for TLS, or redis+sentinel://host:port,host:port/name-of-the-primary.',
    ),
  PENSTOCK_REDIS_USER: text.describe('User of this process at Redis (ACL), with PENSTOCK_REDIS_PASSWORD.'),
  PENSTOCK_REDIS_PASSWORD: text.describe('Its password; without a user, that of `requirepass`.'),
  PENSTOCK_REDIS_SENTINEL_USER: text.describe('User of this process at the sentinels, if they have any.'),
  PENSTOCK_REDIS_SENTINEL_PASSWORD: text.describe('Password of the sentinels, which is not that of Redis.'),
  PENSTOCK_REDIS_CA: text.describe(
    'Certificates (PEM) of the authorities that sign those of Redis and the sentinels, in place of the public ones.',
  ),
  PENSTOCK_REDIS_CERT: text.describe('Certificate (PEM) that this process shows to Redis and the sentinels.'),
  PENSTOCK_REDIS_KEY: text.describe('Private key (PEM) of PENSTOCK_REDIS_CERT.'),
};

export const regionSettings = {
  PENSTOCK_REGION: nameSetting.default('local').describe('Region of this process: one NATS and one Redis.'),
  PENSTOCK_SHARDS: z.coerce
    .number()
    .int()
    .min(1)
    .max(MOST_SHARDS)
    .default(1)
    .describe(
      'Streams of the region: one per thousand workers. Must be the same in all processes of the region.',
    ),
  ...natsSettings,
  ...redisSettings,
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

type Values<T extends Record<string, z.ZodType>> = { readonly [K in keyof T]?: z.infer<T[K]> | undefined };

/** How a process reaches NATS, by its settings. @param name shown in the broker's monitoring. */
export function natsOf(
  settings: Values<typeof natsSettings> & { readonly PENSTOCK_NATS_URL: string },
  name: string,
) {
  return {
    ...{ url: settings.PENSTOCK_NATS_URL, name },
    login: {
      user: settings.PENSTOCK_NATS_USER,
      password: settings.PENSTOCK_NATS_PASSWORD,
      token: settings.PENSTOCK_NATS_TOKEN,
      nkey: settings.PENSTOCK_NATS_NKEY,
      creds: settings.PENSTOCK_NATS_CREDS,
    },
    tls: {
      ca: settings.PENSTOCK_NATS_CA,
      cert: settings.PENSTOCK_NATS_CERT,
      key: settings.PENSTOCK_NATS_KEY,
    },
  };
}

/**
 * How a process reaches Redis, by its settings.
 * @param name of the process. @param onUnhandled told what was thrown by those that messages are handed to; absent where there are none.
 */
export function redisOf(
  settings: Values<typeof redisSettings> & {
    readonly PENSTOCK_REDIS_URL: string;
    readonly PENSTOCK_REDIS_REPLICAS?: number;
  },
  name: string,
  log: { warn(text: string): void },
  onUnhandled?: (err: unknown) => void,
) {
  return {
    ...{ url: settings.PENSTOCK_REDIS_URL, replicas: settings.PENSTOCK_REDIS_REPLICAS ?? 0, name },
    login: {
      user: settings.PENSTOCK_REDIS_USER,
      password: settings.PENSTOCK_REDIS_PASSWORD,
      sentinelUser: settings.PENSTOCK_REDIS_SENTINEL_USER,
      sentinelPassword: settings.PENSTOCK_REDIS_SENTINEL_PASSWORD,
    },
    tls: {
      ca: settings.PENSTOCK_REDIS_CA,
      cert: settings.PENSTOCK_REDIS_CERT,
      key: settings.PENSTOCK_REDIS_KEY,
    },
    warn: (text: string) => log.warn(`PENSTOCK_REDIS_URL: ${text}`),
    ...(onUnhandled === undefined ? {} : { onUnhandled }),
  };
}

/** What a region promises: one figure for those who look and for whoever scales. */
export const sloSetting = {
  PENSTOCK_SLO_TTFT_MS: z.coerce
    .number()
    .int()
    .min(1)
    .max(120_000)
    .default(2500)
    .describe(
      'Target for the time to first token: what waits longer is shown as late, and what has waited for half of it makes a scaler panic.',
    ),
};
