/**
 * Records of files and batches in Redis, with a sorted set of each for every tenant. The score is the microsecond in which an
 * item was added, so the order is total and new items never come between old ones.
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
  fileUseKey,
  isBatchFinal,
  OPEN_BATCHES_KEY,
  openBatchesKey,
  uploadKey,
} from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { Idempotency } from '../ports/runs/idempotency.ts';
import type { Page, PageOrder } from '../ports/tasks/paging.ts';
import type { AddBatchOutcome, AddFileOutcome, FileUse, TaskRecords } from '../ports/tasks/task-records.ts';
import { dialRedis, type RedisOptions } from './connection/connection.ts';
import { Replication } from './connection/replication.ts';
import { RedisScripts } from './scripts.ts';

/** Batches are kept for a month. */
const BATCH_TTL_S = 30 * 24 * 3600;
/** How long a client's idempotency key stands for its batch, ms. */
const KEY_TTL_MS = 24 * 3600 * 1000;
const UPLOAD_TTL_S = 600;
/** How long the place of a deleted file in its list is remembered, s. */
const GONE_TTL_S = 3600;
/** Deleting a content takes less time than this, s. */
const GOING_TTL_S = 60;

const SCRIPTS = [
  'tasks/add-file',
  'tasks/remove-file',
  'tasks/file-use',
  'tasks/release-content',
  'tasks/content-gone',
  'tasks/add-batch',
  'tasks/update-batch',
] as const;

export class RedisTaskRecords implements TaskRecords {
  readonly #redis: Redis;
  readonly #replication: Replication;
  readonly #scripts: RedisScripts<(typeof SCRIPTS)[number]>;

  private constructor(options: RedisOptions, redis: Redis) {
    this.#redis = redis;
    this.#replication = new Replication(options, redis, 'tasks');
    this.#scripts = new RedisScripts(this.#replication.redis, SCRIPTS);
  }

  static async connect(options: RedisOptions): Promise<RedisTaskRecords> {
    return new RedisTaskRecords(options, await dialRedis(options, 'tasks'));
  }

  async addFile(
    file: FileRecord,
    upload: string | null,
    most: Partial<FileUse> = {},
  ): Promise<AddFileOutcome> {
    const { id, tenant, digest, bytes, purpose, expiresAt } = file;
    const lists = [fileListKey(tenant), fileListKey(tenant, purpose), FILE_ENDS_KEY, uploadKey(upload ?? '')];
    const keys = [fileKey(id), contentKey(digest), contentGoingKey(digest), ...lists, fileUseKey(tenant)];
    const about = [JSON.stringify(file), id, expiresAt ?? '', upload === null ? '' : UPLOAD_TTL_S];
    const args = [...about, bytes, most.files ?? '', most.bytes ?? ''];
    const add = () => this.#scripts.run('tasks/add-file', ...keys, ...args);
    const [done, files = 0, before = 0] = (await this.#replication.confirmed(add)) as number[];
    return {
      kind: done === 1 ? 'added' : done === 0 ? 'going' : 'full',
      before: { files, bytes: before },
    };
  }

  async fileUse(tenant: string): Promise<FileUse> {
    const keys = [fileListKey(tenant), fileUseKey(tenant)];
    const [files = 0, bytes = 0] = (await this.#scripts.run('tasks/file-use', ...keys)) as number[];
    return { files, bytes };
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
    // `after` may have another purpose than the files listed: its place in the list of all files counts.
    const page = await this.#page(list, order, [list, fileListKey(tenant), filesGoneKey(tenant)]);
    if (page === null) return null;
    const texts = page.items.length === 0 ? [] : await this.#redis.mget(page.items.map(fileKey));
    const items = texts.flatMap(text => (text === null ? [] : [JSON.parse(text) as FileRecord]));
    return { items, hasMore: page.hasMore };
  }

  async removeFile(file: FileRecord): Promise<void> {
    const { id, tenant, purpose } = file;
    const lists = [fileListKey(tenant), fileListKey(tenant, purpose), FILE_ENDS_KEY, filesGoneKey(tenant)];
    await this.#scripts.run('tasks/remove-file', fileKey(id), ...lists, fileUseKey(tenant), id, GONE_TTL_S);
  }

  endedFiles(nowS: number, most: number): Promise<string[]> {
    return this.#redis.zrangebyscore(FILE_ENDS_KEY, '-inf', nowS, 'LIMIT', 0, most);
  }

  async releaseContent(digest: string, holder: string): Promise<boolean> {
    const keys = [contentKey(digest), contentGoingKey(digest)];
    return (await this.#scripts.run('tasks/release-content', ...keys, holder, GOING_TTL_S)) === 1;
  }

  async contentGone(digest: string): Promise<void> {
    await this.#scripts.run('tasks/content-gone', contentGoingKey(digest));
  }

  async addBatch(
    batch: BatchRecord,
    idempotency: Idempotency | null,
    mostOpen: number | null = null,
  ): Promise<AddBatchOutcome> {
    const { id, inputDigest, tenant, expiresAt } = batch;
    const recordKey = idempotency?.key ?? batchKey(id);
    const lists = [batchListKey(tenant), OPEN_BATCHES_KEY, recordKey, openBatchesKey(tenant)];
    const keys = [batchKey(id), contentKey(inputDigest), ...lists];
    const about = [id, BATCH_TTL_S, idempotency?.digest ?? '', KEY_TTL_MS, expiresAt, mostOpen ?? ''];
    const add = () => this.#scripts.run('tasks/add-batch', ...keys, ...about, ...fieldsOf(batch));
    const outcome = await this.#replication.confirmed(add).catch(async err => {
      await this.#takeBack(batch, recordKey);
      throw err;
    });
    const [kind, known, openBefore] = outcome as [AddBatchOutcome['kind'], string, number];
    return kind === 'created' || kind === 'repeated' ? { kind, id: known, openBefore } : { kind, openBefore };
  }

  /** A batch whose client was told that it is not accepted must not begin. */
  async #takeBack({ id, inputDigest, tenant }: BatchRecord, recordKey: string): Promise<void> {
    const isOwn = (await this.#redis.hget(recordKey, 'thing')) === batchKey(id);
    const undo = this.#redis.multi().del(batchKey(id)).srem(OPEN_BATCHES_KEY, id);
    undo.srem(contentKey(inputDigest), id).zrem(batchListKey(tenant), id).zrem(openBatchesKey(tenant), id);
    if (isOwn) undo.del(recordKey);
    await undo.exec();
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

  /** @param places sorted sets in which `after` may be. */
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
    const isEnd = change.status !== undefined && isBatchFinal(change.status);
    const update = () => this.#scripts.run('tasks/update-batch', batchKey(id), ...args);
    // Progress is counted again, and a status that is none of the last ones is entered again.
    return (await this.#replication.confirmed(update, () => isEnd)) === 1;
  }

  async close(): Promise<void> {
    this.#replication.close();
    this.#redis.disconnect();
  }
}

/** The times of its statuses are separate fields: two processes may set different ones at once. */
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
