/** Connections to Redis. */
import { Redis } from 'ioredis';
import { ConnectError } from '../ports/connect-error.ts';
import { RedisLiveness, SILENCE_MS } from './liveness.ts';

export interface RedisOptions {
  readonly url: string;
  readonly name: string;
}

const LIVENESS = new WeakMap<Redis, RedisLiveness>();

/** Whether Redis answers on a connection of {@link openRedis}, see {@link RedisLiveness.isAnswering}. */
export function isAnswering(redis: Redis): boolean {
  return LIVENESS.get(redis)?.isAnswering ?? redis.status === 'ready';
}

/** Whether Redis answered, with an error. What fails otherwise is about the connection, and the client sends it again by itself. */
export function isRefusal(err: unknown): boolean {
  return err instanceof Error && err.name === 'ReplyError';
}

/** @param listener told whenever {@link isAnswering} has changed. */
export function onAnswering(redis: Redis, listener: (isAnswering: boolean) => void): void {
  LIVENESS.get(redis)?.onChange(listener);
}

/**
 * A connection that is not opened yet and, once open, reconnects for ever: also when the other end falls silent.
 * @param role shown in the server's client list. @param blocks whether its commands wait for something to happen: its user has to
 * watch it, for a connection that waits is silent too.
 */
export function openRedis(options: RedisOptions, role: string, { blocks = false } = {}): Redis {
  const redis = new Redis(options.url, {
    connectionName: `${options.name}-${role}`,
    // Commands wait, and are sent again in order after a reconnect: logs tolerate repeated entries, but not missing ones.
    maxRetriesPerRequest: null,
    retryStrategy: tries => Math.min(1000, 20 * tries),
    keepAlive: 5000,
    connectTimeout: 2000,
    ...(blocks ? {} : { socketTimeout: SILENCE_MS }),
    lazyConnect: true,
    // Thousands of records a second, and only callers that wait need an order, so many commands share one write.
    enableAutoPipelining: role === 'runs',
  });
  // Without a listener a lost connection would end the process; the state shows in `connected`.
  redis.on('error', () => {});
  if (!blocks) LIVENESS.set(redis, new RedisLiveness(redis));
  return redis;
}

/** As {@link openRedis}, and connected. @throws ConnectError when the first connection fails. */
export async function connectRedis(options: RedisOptions, role: string): Promise<Redis> {
  const redis = openRedis(options, role);
  try {
    await redis.connect();
    return redis;
  } catch (err) {
    redis.disconnect();
    throw new ConnectError(`no Redis answers there (${(err as Error).message})`);
  }
}
