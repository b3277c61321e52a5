/** Trails of requests in Redis: a list for each, which expires, and a sorted set of their ids. */
import { TRAILS_KEY, type TrailEvent, trailEventSchema, trailKey } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { RequestTrails } from '../ports/request-trails.ts';
import { connectRedis, type RedisOptions } from './connection/connection.ts';

/** A trail is kept for so long after the last addition to it, s. */
const KEPT_S = 3600;
/**
 * Additions of one process in a second. When everything fails, a part of the trails tells why; all of them would fill the server: 20 a second
 * are some 100 MB in an hour.
 */
const MOST_A_SECOND = 20;
/** The latest so many: a request that moves about for ever must not fill the server. */
const MOST_EVENTS = 200;
/** The set names the latest so many. */
const MOST_LISTED = 5000;

export class RedisRequestTrails implements RequestTrails {
  readonly #redis: Redis;
  readonly #now: () => number;
  /** The second that additions are counted in. */
  #second = 0;
  #added = 0;

  /** @param redis an open connection, which may be shared. @param now Unix ms. */
  constructor(redis: Redis, now: () => number) {
    this.#redis = redis;
    this.#now = now;
  }

  /** @throws ConnectError when the first connection fails. */
  static async connect(options: RedisOptions): Promise<RedisRequestTrails & { close(): void }> {
    const redis = await connectRedis(options, 'trails');
    return Object.assign(new RedisRequestTrails(redis, nowOf(options)), { close: () => redis.disconnect() });
  }

  append(id: string, events: readonly TrailEvent[]): void {
    // What cannot be sent now is not worth a place in the memory of this process.
    if (events.length === 0 || this.#redis.status !== 'ready' || !this.#mayAdd()) return;
    const key = trailKey(id);
    this.#redis
      .multi()
      .rpush(key, ...events.map(event => JSON.stringify(event)))
      .ltrim(key, -MOST_EVENTS, -1)
      .expire(key, KEPT_S)
      .zadd(TRAILS_KEY, this.#now(), id)
      .zremrangebyrank(TRAILS_KEY, 0, -MOST_LISTED - 1)
      .expire(TRAILS_KEY, KEPT_S)
      .exec()
      .catch(() => {});
  }

  #mayAdd(): boolean {
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) [this.#second, this.#added] = [second, 0];
    return this.#added++ < MOST_A_SECOND;
  }

  latest(from: number, most: number): Promise<string[]> {
    const since = this.#now() - KEPT_S * 1000;
    return this.#redis.zrevrangebyscore(TRAILS_KEY, '+inf', since, 'LIMIT', from, most);
  }

  async read(id: string): Promise<TrailEvent[]> {
    const entries = await this.#redis.lrange(trailKey(id), 0, -1);
    return entries.flatMap(entry => {
      const event = trailEventSchema.safeParse(JSON.parse(entry));
      // Of a newer version.
      return event.success ? [event.data] : [];
    });
  }
}

/** The time that trails are listed by. */
export function nowOf({ clock }: RedisOptions): () => number {
  return clock === undefined ? Date.now : () => clock.now();
}
