/** A sorted set of runs by deadline. Scripts add a run when it is queued and remove it when it becomes final. */
import { RUN_DEADLINES_KEY } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { RunDeadlines } from '../../ports/runs/run-deadlines.ts';
import { dialRedis, type RedisOptions } from '../connection/connection.ts';

const MOST = 200;

export class RedisRunDeadlines implements RunDeadlines {
  readonly #redis: Redis;

  private constructor(redis: Redis) {
    this.#redis = redis;
  }

  static async connect(options: RedisOptions): Promise<RedisRunDeadlines> {
    const redis = await dialRedis(options, 'deadlines');
    return new RedisRunDeadlines(redis);
  }

  due(now: number): Promise<string[]> {
    return this.#redis.zrangebyscore(RUN_DEADLINES_KEY, '-inf', now, 'LIMIT', 0, MOST);
  }

  async again(id: string, at: number): Promise<void> {
    await this.#redis.zadd(RUN_DEADLINES_KEY, 'XX', at, id);
  }

  async forget(id: string): Promise<void> {
    await this.#redis.zrem(RUN_DEADLINES_KEY, id);
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}
