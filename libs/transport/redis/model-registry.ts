import { modelRegistryKey } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { ModelRegistry } from '../ports/model-registry.ts';
import { connectRedis, type RedisOptions } from './connection/connection.ts';

export class RedisModelRegistry implements ModelRegistry {
  readonly #redis: Redis;

  /** @param redis an open connection, which may be shared. */
  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** A registry with a connection of its own. @throws ConnectError when the first connection fails. */
  static async connect(options: RedisOptions): Promise<RedisModelRegistry> {
    return new RedisModelRegistry(await connectRedis(options, 'models'));
  }

  async announce(region: string, slug: string, info: Uint8Array): Promise<void> {
    await this.#redis.hset(modelRegistryKey(region), slug, Buffer.from(info));
  }

  async list(region: string): Promise<Uint8Array[]> {
    const all = await this.#redis.hgetallBuffer(modelRegistryKey(region));
    return Object.values(all);
  }

  async remove(region: string, slug: string): Promise<void> {
    await this.#redis.hdel(modelRegistryKey(region), slug);
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}
