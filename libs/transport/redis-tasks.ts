/** Records of files and batches in Redis, with a list of each for every tenant, newest first. */
import {
  type BatchRecord,
  batchKey,
  batchListKey,
  contentKey,
  type FileRecord,
  fileKey,
  fileListKey,
} from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { TaskRecords } from './ports.ts';
import { openRedis, type RedisOptions } from './redis.ts';
import { TELL_BATCH } from './redis-outbox.ts';

/** Batches are remembered for a month. */
const BATCH_TTL_S = 30 * 24 * 3600;
/**
 * Sets fields of a batch that exists and is not final, unless a cancel came first: `cancelling` gives way to final states only.
 * KEYS batch · ARGV wanted status or '', then field, JSON, …
 */
const UPDATE = `${TELL_BATCH}
local status=redis.call('HGET',KEYS[1],'status')
if not status or status=='"failed"' or status=='"completed"' or status=='"expired"' or status=='"cancelled"' then return 0 end
if status=='"cancelling"' and (ARGV[1]=='in_progress' or ARGV[1]=='validating') then return 0 end
redis.call('HSET',KEYS[1],unpack(ARGV,2))
if ARGV[1]=='failed' or ARGV[1]=='completed' or ARGV[1]=='expired' or ARGV[1]=='cancelled' then tell_batch(KEYS[1],ARGV[1]) end
return 1`;

type Update = (key: string, status: string, ...fields: string[]) => Promise<number>;

export class RedisTaskRecords implements TaskRecords {
  readonly #redis: Redis;

  private constructor(redis: Redis) {
    this.#redis = redis;
    redis.defineCommand('penstockUpdateBatch', { numberOfKeys: 1, lua: UPDATE });
  }

  static async connect(options: RedisOptions): Promise<RedisTaskRecords> {
    const redis = openRedis(options, 'tasks');
    await redis.connect();
    return new RedisTaskRecords(redis);
  }

  async addFile(file: FileRecord): Promise<void> {
    await this.#redis
      .multi()
      .set(fileKey(file.id), JSON.stringify(file))
      .sadd(contentKey(file.digest), file.id)
      .zadd(fileListKey(file.tenant), file.createdAt, file.id)
      .exec();
  }

  async file(id: string): Promise<FileRecord | null> {
    const text = await this.#redis.get(fileKey(id));
    return text === null ? null : (JSON.parse(text) as FileRecord);
  }

  async files(tenant: string): Promise<FileRecord[]> {
    const ids = await this.#redis.zrevrange(fileListKey(tenant), 0, -1);
    const texts = ids.length === 0 ? [] : await this.#redis.mget(ids.map(fileKey));
    return texts.flatMap(text => (text === null ? [] : [JSON.parse(text) as FileRecord]));
  }

  async removeFile(file: FileRecord): Promise<boolean> {
    const content = contentKey(file.digest);
    const results = await this.#redis
      .multi()
      .del(fileKey(file.id))
      .srem(content, file.id)
      .zrem(fileListKey(file.tenant), file.id)
      .scard(content)
      .exec();
    return results?.[3]?.[1] === 0;
  }

  async addBatch(batch: BatchRecord): Promise<void> {
    await this.#redis
      .multi()
      .hset(batchKey(batch.id), ...fieldsOf(batch))
      .expire(batchKey(batch.id), BATCH_TTL_S)
      .zadd(batchListKey(batch.tenant), batch.createdAt, batch.id)
      .exec();
  }

  async batch(id: string): Promise<BatchRecord | null> {
    const fields = await this.#redis.hgetall(batchKey(id));
    if (Object.keys(fields).length === 0) return null;
    return Object.fromEntries(
      Object.entries(fields).map(([name, text]) => [name, JSON.parse(text)]),
    ) as unknown as BatchRecord;
  }

  async batches(tenant: string): Promise<string[]> {
    return this.#redis.zrevrange(batchListKey(tenant), 0, -1);
  }

  async updateBatch(id: string, change: Partial<BatchRecord>): Promise<boolean> {
    const run = (this.#redis as unknown as { penstockUpdateBatch: Update }).penstockUpdateBatch;
    return (await run.call(this.#redis, batchKey(id), change.status ?? '', ...fieldsOf(change))) === 1;
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}

function fieldsOf(record: object): string[] {
  return Object.entries(record).flatMap(([name, value]) => [name, JSON.stringify(value)]);
}
