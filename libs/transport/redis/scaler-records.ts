import {
  readScalerEntry,
  readScalerState,
  type ScalerEntry,
  type ScalerState,
  scalerLogKey,
  scalerStateKey,
} from '@penstock/protocol';
import type { Redis } from 'ioredis';
import { DECISIONS_KEPT, type ScalerRecords } from '../ports/scaler-records.ts';
import { connectRedis, type RedisOptions } from './connection/connection.ts';

const STATE_TTL_MS = 3_600_000;

export class RedisScalerRecords implements ScalerRecords {
  readonly #redis: Redis;
  readonly #logKey: string;
  readonly #stateKey: string;

  private constructor(redis: Redis, region: string) {
    this.#redis = redis;
    this.#logKey = scalerLogKey(region);
    this.#stateKey = scalerStateKey(region);
  }

  /** @throws ConnectError when the first connection fails. */
  static async connect(options: RedisOptions, region: string): Promise<RedisScalerRecords> {
    return new RedisScalerRecords(await connectRedis(options, 'scaler'), region);
  }

  async add(entry: ScalerEntry): Promise<void> {
    await this.#redis.lpush(this.#logKey, JSON.stringify(entry));
    await this.#redis.ltrim(this.#logKey, 0, DECISIONS_KEPT - 1);
  }

  async list(most: number): Promise<ScalerEntry[]> {
    const texts = await this.#redis.lrange(this.#logKey, 0, most - 1);
    return texts.map(readScalerEntry).filter(entry => entry !== null);
  }

  async tell(state: ScalerState): Promise<void> {
    await this.#redis.set(this.#stateKey, JSON.stringify(state), 'PX', STATE_TTL_MS);
  }

  async state(): Promise<ScalerState | null> {
    const text = await this.#redis.get(this.#stateKey);
    return text === null ? null : readScalerState(text);
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}
