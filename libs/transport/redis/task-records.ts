/**
 * Records of files and batches in Redis, with a list of each for every tenant. A thing stands in its list by the microsecond
 * in which it was added, so the order is total and new things never get between old ones.
 */
import {
  BATCH_STATUSES,
  type BatchRecord,
  batchKey,
  batchListKey,
  contentGoingKey,
  contentKey,
  FILE_ENDS_KEY,
  type FileRecord,
  fileKey,
  fileListKey,
  filesGoneKey,
  OPEN_BATCHES_KEY,
  uploadKey,
} from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { CreateOutcome, Idempotency } from '../ports/runs/idempotency.ts';
import type { Page, PageOrder } from '../ports/tasks/paging.ts';
import type { TaskRecords } from '../ports/tasks/task-records.ts';
import { openRedis, type RedisOptions } from './connection.ts';
import { TAKE_KEY } from './idempotency.ts';
import { TELL_BATCH } from './webhooks/event-outbox.ts';

/** Batches are remembered for a month. */
const BATCH_TTL_S = 30 * 24 * 3600;
/** A client's key stands for its batch this long, ms. */
const KEY_TTL_MS = 24 * 3600 * 1000;
const UPLOAD_TTL_S = 600;
/** How long the place of a deleted file is known. */
const GONE_TTL_S = 3600;
/** Deleting a content takes less than this, s. */
const GOING_TTL_S = 60;

const NOW_US = `local t=redis.call('TIME') local at=string.format('%.0f',t[1]*1000000+t[2])`;

/** KEYS file, holders of the content, going, list, list of the purpose, ends, upload · ARGV json, id, end s or '', upload ttl s or '' */
const ADD_FILE = `
if redis.call('EXISTS',KEYS[3])==1 then return 0 end
${NOW_US}
redis.call('SET',KEYS[1],ARGV[1])
redis.call('SADD',KEYS[2],ARGV[2])
redis.call('ZADD',KEYS[4],'NX',at,ARGV[2])
redis.call('ZADD',KEYS[5],'NX',at,ARGV[2])
if ARGV[3]~='' then redis.call('ZADD',KEYS[6],ARGV[3],ARGV[2]) end
if ARGV[4]~='' then redis.call('SET',KEYS[7],ARGV[2],'EX',ARGV[4]) end
return 1`;

/** KEYS file, list, list of the purpose, ends, gone · ARGV id, ttl s of its place */
const REMOVE_FILE = `
local at=redis.call('ZSCORE',KEYS[2],ARGV[1])
redis.call('DEL',KEYS[1])
redis.call('ZREM',KEYS[2],ARGV[1])
redis.call('ZREM',KEYS[3],ARGV[1])
redis.call('ZREM',KEYS[4],ARGV[1])
if at then
  redis.call('ZADD',KEYS[5],at,ARGV[1])
  redis.call('EXPIRE',KEYS[5],ARGV[2])
end
return 1`;

/** Several may delete at once: the mark counts them. KEYS holders, going · ARGV holder, ttl s of the mark */
const RELEASE = `
redis.call('SREM',KEYS[1],ARGV[1])
if redis.call('SCARD',KEYS[1])>0 then return 0 end
redis.call('INCR',KEYS[2])
redis.call('EXPIRE',KEYS[2],ARGV[2])
return 1`;

/** KEYS going */
const GONE = `
if redis.call('DECR',KEYS[1])<=0 then redis.call('DEL',KEYS[1]) end
return 1`;

/**
 * KEYS batch, holders of the input, list, open batches, client's key
 * ARGV id, ttl s, digest of the request ('' = no key), ttl ms of the key, then field, JSON, …
 */
const ADD_BATCH = `${TAKE_KEY}
local taken=take_key(KEYS[5],KEYS[1],ARGV[1],ARGV[3],ARGV[4])
if taken then return taken end
${NOW_US}
redis.call('HSET',KEYS[1],unpack(ARGV,5))
redis.call('EXPIRE',KEYS[1],ARGV[2])
redis.call('SADD',KEYS[2],ARGV[1])
redis.call('ZADD',KEYS[3],at,ARGV[1])
redis.call('ZREMRANGEBYSCORE',KEYS[3],'-inf',string.format('%.0f',at-ARGV[2]*1000000))
redis.call('SADD',KEYS[4],ARGV[1])
return {'created',ARGV[1]}`;

/**
 * Sets fields of a batch that is not final, and the time when it entered a state for the first time. States only go
 * forward, and `cancelling` gives way to final ones only.
 * KEYS batch · ARGV wanted state or '', now s, then field, JSON, …
 */
const UPDATE = `${TELL_BATCH}
local status=redis.call('HGET',KEYS[1],'status')
if not status or status=='"failed"' or status=='"completed"' or status=='"expired"' or status=='"cancelled"' then return 0 end
local to=ARGV[1]
if status=='"cancelling"' and (to=='in_progress' or to=='finalizing') then return 0 end
if status=='"finalizing"' and to=='in_progress' then return 0 end
if to~='' then redis.call('HSETNX',KEYS[1],'at:'..to,ARGV[2]) end
if ARGV[3] then redis.call('HSET',KEYS[1],unpack(ARGV,3)) end
if to=='failed' or to=='completed' or to=='expired' or to=='cancelled' then tell_batch(KEYS[1],to) end
return 1`;

const SCRIPTS = {
  AddFile: [7, ADD_FILE],
  RemoveFile: [5, REMOVE_FILE],
  Release: [2, RELEASE],
  Gone: [1, GONE],
  AddBatch: [5, ADD_BATCH],
  UpdateBatch: [1, UPDATE],
} as const;
type Script = (...args: (string | number)[]) => Promise<unknown>;

export class RedisTaskRecords implements TaskRecords {
  readonly #redis: Redis;

  private constructor(redis: Redis) {
    this.#redis = redis;
    for (const [name, [numberOfKeys, lua]] of Object.entries(SCRIPTS))
      redis.defineCommand(`penstock${name}`, { numberOfKeys, lua });
  }

  static async connect(options: RedisOptions): Promise<RedisTaskRecords> {
    const redis = openRedis(options, 'tasks');
    await redis.connect();
    return new RedisTaskRecords(redis);
  }

  #run(name: keyof typeof SCRIPTS, ...args: (string | number)[]): Promise<unknown> {
    const commands = this.#redis as unknown as Record<string, Script>;
    return (commands[`penstock${name}`] as Script).call(this.#redis, ...args);
  }

  async addFile(file: FileRecord, upload: string | null): Promise<boolean> {
    const { id, tenant, digest, purpose, expiresAt } = file;
    const lists = [fileListKey(tenant), fileListKey(tenant, purpose), FILE_ENDS_KEY, uploadKey(upload ?? '')];
    const keys = [fileKey(id), contentKey(digest), contentGoingKey(digest), ...lists];
    const args = [JSON.stringify(file), id, expiresAt ?? '', upload === null ? '' : UPLOAD_TTL_S];
    return (await this.#run('AddFile', ...keys, ...args)) === 1;
  }

  async uploadedBefore(upload: string): Promise<FileRecord | null> {
    const id = await this.#redis.get(uploadKey(upload));
    return id === null ? null : this.file(id);
  }

  async file(id: string): Promise<FileRecord | null> {
    const text = await this.#redis.get(fileKey(id));
    return text === null ? null : (JSON.parse(text) as FileRecord);
  }

  async files(tenant: string, purpose: string | null, order: PageOrder): Promise<Page<FileRecord> | null> {
    const list = fileListKey(tenant, purpose ?? undefined);
    // `after` may be of another purpose than the one listed: its place is known all the same.
    const page = await this.#page(list, order, [list, fileListKey(tenant), filesGoneKey(tenant)]);
    if (page === null) return null;
    const texts = page.items.length === 0 ? [] : await this.#redis.mget(page.items.map(fileKey));
    const items = texts.flatMap(text => (text === null ? [] : [JSON.parse(text) as FileRecord]));
    return { items, hasMore: page.hasMore };
  }

  async removeFile(file: FileRecord): Promise<void> {
    const { id, tenant, purpose } = file;
    const lists = [fileListKey(tenant), fileListKey(tenant, purpose), FILE_ENDS_KEY, filesGoneKey(tenant)];
    await this.#run('RemoveFile', fileKey(id), ...lists, id, GONE_TTL_S);
  }

  endedFiles(nowS: number, most: number): Promise<string[]> {
    return this.#redis.zrangebyscore(FILE_ENDS_KEY, '-inf', nowS, 'LIMIT', 0, most);
  }

  async releaseContent(digest: string, holder: string): Promise<boolean> {
    const keys = [contentKey(digest), contentGoingKey(digest)];
    return (await this.#run('Release', ...keys, holder, GOING_TTL_S)) === 1;
  }

  async contentGone(digest: string): Promise<void> {
    await this.#run('Gone', contentGoingKey(digest));
  }

  async addBatch(batch: BatchRecord, idempotency: Idempotency | null): Promise<CreateOutcome> {
    const { id, inputDigest, tenant } = batch;
    const keys = [batchKey(id), contentKey(inputDigest), batchListKey(tenant), OPEN_BATCHES_KEY];
    const args = [id, BATCH_TTL_S, idempotency?.digest ?? '', KEY_TTL_MS, ...fieldsOf(batch)];
    const outcome = await this.#run('AddBatch', ...keys, idempotency?.key ?? batchKey(id), ...args);
    const [kind, known] = outcome as [CreateOutcome['kind'], string];
    return kind === 'reused' ? { kind } : { kind, id: known };
  }

  async batch(id: string): Promise<BatchRecord | null> {
    return toBatch(await this.#redis.hgetall(batchKey(id)));
  }

  async batches(tenant: string, order: PageOrder): Promise<Page<BatchRecord> | null> {
    const list = batchListKey(tenant);
    const page = await this.#page(list, order, [list]);
    if (page === null) return null;
    const found = await Promise.all(page.items.map(id => this.batch(id)));
    return { items: found.filter(batch => batch !== null), hasMore: page.hasMore };
  }

  /** @param places lists in which `after` may stand. */
  async #page(list: string, order: PageOrder, places: readonly string[]): Promise<Page<string> | null> {
    const { limit, after } = order;
    let from = order.order === 'desc' ? '+inf' : '-inf';
    if (after !== null) {
      const found = await Promise.all(places.map(place => this.#redis.zscore(place, after)));
      const at = found.find(score => score !== null);
      if (at === undefined || at === null) return null;
      from = `(${at}`;
    }
    const ids =
      order.order === 'desc'
        ? await this.#redis.zrevrangebyscore(list, from, '-inf', 'LIMIT', 0, limit + 1)
        : await this.#redis.zrangebyscore(list, from, '+inf', 'LIMIT', 0, limit + 1);
    return { items: ids.slice(0, limit), hasMore: ids.length > limit };
  }

  openBatches(): Promise<string[]> {
    return this.#redis.smembers(OPEN_BATCHES_KEY);
  }

  async forgetOpenBatch(id: string): Promise<void> {
    await this.#redis.srem(OPEN_BATCHES_KEY, id);
  }

  async updateBatch(id: string, change: Partial<Omit<BatchRecord, 'at'>>, nowS: number): Promise<boolean> {
    const args = [change.status ?? '', nowS, ...fieldsOf(change)];
    return (await this.#run('UpdateBatch', batchKey(id), ...args)) === 1;
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}

/** The times of its states are fields of their own: two processes may set different ones at once. */
function fieldsOf(record: Partial<BatchRecord>): string[] {
  return Object.entries(record).flatMap(([name, value]) =>
    name === 'at' ? [] : [name, JSON.stringify(value)],
  );
}

function toBatch(fields: Record<string, string>): BatchRecord | null {
  if (fields['id'] === undefined) return null;
  const known = Object.entries(fields).filter(([name]) => !name.startsWith('at:'));
  const entered = BATCH_STATUSES.filter(status => fields[`at:${status}`] !== undefined);
  return {
    ...(Object.fromEntries(known.map(([name, text]) => [name, JSON.parse(text)])) as BatchRecord),
    at: Object.fromEntries(entered.map(status => [status, Number(fields[`at:${status}`])])),
  };
}
