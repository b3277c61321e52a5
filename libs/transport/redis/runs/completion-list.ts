/** The stored chat completions of each tenant: a sorted set of ids by creation time. */
import { completionListKey } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { CompletionList } from '../../ports/runs/completion-list.ts';
import { resent } from './resent.ts';

export class RedisCompletionList implements CompletionList {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async add(tenant: string, id: string, createdAt: number, keptMs: number): Promise<void> {
    const key = completionListKey(tenant);
    await this.#redis
      .multi()
      .zadd(key, createdAt, id)
      .zremrangebyscore(key, '-inf', String(createdAt - keptMs))
      .pexpire(key, keptMs)
      .exec();
  }

  async remove(tenant: string, id: string): Promise<void> {
    await resent(() => this.#redis.zrem(completionListKey(tenant), id));
  }

  async page(
    tenant: string,
    order: 'asc' | 'desc',
    after: string | null,
    most: number,
  ): Promise<string[] | null> {
    const key = completionListKey(tenant);
    const isAsc = order === 'asc';
    const rank =
      after === null
        ? null
        : await resent(() => (isAsc ? this.#redis.zrank(key, after) : this.#redis.zrevrank(key, after)));
    if (after !== null && rank === null) return null;
    const from = rank === null ? 0 : rank + 1;
    const range = [key, `${from}`, `${from + most - 1}`] as const;
    return resent(() => (isAsc ? this.#redis.zrange(...range) : this.#redis.zrevrange(...range)));
  }
}
