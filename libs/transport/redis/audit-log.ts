import { type AuditEntry, auditKey, readAuditEntry } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import { AUDIT_KEPT, type AuditLog } from '../ports/audit-log.ts';
import { connectRedis, type RedisOptions } from './connection/connection.ts';

export class RedisAuditLog implements AuditLog {
  readonly #redis: Redis;
  readonly #key: string;

  private constructor(redis: Redis, region: string) {
    this.#redis = redis;
    this.#key = auditKey(region);
  }

  /** @throws ConnectError when the first connection fails. */
  static async connect(options: RedisOptions, region: string): Promise<RedisAuditLog> {
    return new RedisAuditLog(await connectRedis(options, 'audit'), region);
  }

  async add(entry: AuditEntry): Promise<void> {
    const done = await this.#redis
      .multi()
      .lpush(this.#key, JSON.stringify(entry))
      .ltrim(this.#key, 0, AUDIT_KEPT - 1)
      .exec();
    const failed = done?.find(([err]) => err !== null)?.[0];
    if (done === null || failed) throw failed ?? new Error('the entry was not written');
  }

  async list(most: number): Promise<AuditEntry[]> {
    const texts = await this.#redis.lrange(this.#key, 0, most - 1);
    return texts.map(readAuditEntry).filter(entry => entry !== null);
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}
