/** Connections to Redis. */
import { Redis } from 'ioredis';
import { ConnectError } from '../ports/connect-error.ts';

export interface RedisOptions {
  readonly url: string;
  readonly name: string;
}

/** A connection that is not opened yet and, once open, reconnects for ever. @param role shown in the server's client list. */
export function openRedis(options: RedisOptions, role: string): Redis {
  const redis = new Redis(options.url, {
    connectionName: `${options.name}-${role}`,
    // Commands wait, and are sent again in order after a reconnect: logs tolerate repeated entries, but not missing ones.
    maxRetriesPerRequest: null,
    retryStrategy: tries => Math.min(1000, 20 * tries),
    keepAlive: 5000,
    connectTimeout: 2000,
    lazyConnect: true,
    // Thousands of records a second, and only callers that wait need an order, so many commands share one write.
    enableAutoPipelining: role === 'runs',
  });
  // Without a listener a lost connection would end the process; the state shows in `connected`.
  redis.on('error', () => {});
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
