/** How full Redis is, and what it holds that is not finished. */
import { EVENT_OUTBOX_KEY, OPEN_BATCHES_KEY, RUN_DEADLINES_KEY } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { StoreSurvey } from '../ports/region-survey.ts';
import { connectRedis, isAnswering, type RedisOptions } from './connection/connection.ts';
import { memoryOf } from './memory.ts';

export class RedisStoreSurvey implements StoreSurvey {
  readonly #redis: Redis;

  private constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** @throws ConnectError when the first connection fails. */
  static async connect(options: RedisOptions): Promise<RedisStoreSurvey> {
    return new RedisStoreSurvey(await connectRedis(options, 'survey'));
  }

  get connected(): boolean {
    return this.#redis.status === 'ready' && isAnswering(this.#redis);
  }

  async look(): ReturnType<StoreSurvey['look']> {
    // A command that waits for a server to come back would tell of another time.
    if (!this.connected) throw new Error('Redis is away');
    const [memory, outboxEvents, first, openRuns, openBatches] = await Promise.all([
      memoryOf(this.#redis),
      this.#redis.xlen(EVENT_OUTBOX_KEY),
      this.#redis.xrange(EVENT_OUTBOX_KEY, '-', '+', 'COUNT', 1),
      this.#redis.zcard(RUN_DEADLINES_KEY),
      this.#redis.scard(OPEN_BATCHES_KEY),
    ]);
    const oldest = first[0]?.[0];
    return {
      ...memory,
      ...{ outboxEvents, openRuns, openBatches },
      // The id of an entry begins with the server's time.
      outboxOldestAt: oldest === undefined ? null : Number(oldest.split('-')[0]),
    };
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}
