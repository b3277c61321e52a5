/** Records of files and batches, and their contents: states go forward, contents go with their last holder, expired files are swept. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import type { BatchRecord, FileRecord, NewRun } from '@penstock/protocol';
import { createLogger, regionClock } from '@penstock/runtime';
import {
  type BatchJobs,
  DirectoryFiles,
  FileLibrary,
  RedisRunStore,
  RedisTaskRecords,
} from '@penstock/transport';
import { Redis } from 'ioredis';
import { sweep } from '../../services/tasks/housekeeping/sweeper.ts';
import { startRedis } from '../../testkit/redis.ts';

const TENANT = '0123456789abcdef';
let redis: Awaited<ReturnType<typeof startRedis>>;
let records: RedisTaskRecords;
let directory: string;
let contents: DirectoryFiles;
let library: FileLibrary;
before(async () => {
  redis = await startRedis();
  records = await RedisTaskRecords.connect({ url: redis.url, name: 'test' });
  directory = await mkdtemp(join(tmpdir(), 'penstock-records-'));
  contents = new DirectoryFiles(directory);
  library = new FileLibrary(records, contents);
});
after(async () => {
  await records.close();
  await redis.stop();
  await rm(directory, { recursive: true, force: true });
});

let made = 0;
async function newFile(text: string, more: Partial<FileRecord> = {}): Promise<FileRecord> {
  const { digest, bytes } = await contents.put(Readable.from([Buffer.from(text)]));
  const about = { tenant: TENANT, createdAt: 1, filename: 'f', purpose: 'batch', expiresAt: null };
  return { id: `file-${made++}`, digest, bytes, ...about, ...more };
}

function newBatch(input: FileRecord): BatchRecord {
  return {
    ...{ id: `batch_${made++}`, tenant: TENANT, endpoint: '/v1/chat/completions', metadata: null },
    ...{ inputFileId: input.id, inputDigest: input.digest, status: 'validating', errors: [], at: {} },
    ...{ createdAt: 1, expiresAt: 2, outputLifeS: null, model: null, usage: null },
    ...{ outputFileId: null, errorFileId: null, total: 0, completed: 0, failed: 0 },
  } as BatchRecord;
}

test('a content stays while a file or an open batch holds it, and goes with the last', async () => {
  const [one, two] = [await newFile('held'), await newFile('held')];
  await library.add(one);
  await library.add(two);
  const batch = newBatch(one);
  await records.addBatch(batch, null);
  await library.remove(one);
  await library.remove(two);
  assert.ok(await contents.has(one.digest), 'the batch reads it');
  assert.deepEqual(await records.openBatches(), [batch.id]);
  await library.closeBatch(batch);
  assert.equal(await contents.has(one.digest), false);
  assert.deepEqual(await records.openBatches(), []);
  await library.closeBatch(batch);
});

test('a key stands for one thing, a batch as well as a run, until that is gone', async t => {
  const runs = await RedisRunStore.connect({ url: redis.url, name: 'test' });
  t.after(() => runs.close());
  const key = { key: 'penstock:idem:t:both' };
  const run: NewRun = {
    ...({ id: 'r1', kind: 'job', endpoint: 'chat', detail: '', tenant: TENANT } as const),
    ...{ model: 'm', slug: 'm', address: null, createdAt: 1, deadlineAt: 2 },
  };
  const batch = newBatch(await newFile('keyed'));
  await records.addBatch(batch, { ...key, digest: 'batch' });
  assert.deepEqual(await runs.create(run, 60_000, { ...key, digest: 'run' }), { kind: 'reused' });
  const again = await records.addBatch(newBatch(await newFile('keyed')), { ...key, digest: 'batch' });
  assert.deepEqual(again.kind === 'repeated' && again.id, batch.id);
  const other = { key: 'penstock:idem:t:run', digest: 'run' };
  await runs.create(run, 60_000, other);
  const reused = await records.addBatch(newBatch(await newFile('x')), { ...other, digest: 'batch' });
  assert.equal(reused.kind, 'reused');
  await runs.remove(run.id, null);
  assert.equal((await records.addBatch(newBatch(await newFile('x')), other)).kind, 'created');
});

test('nobody becomes a holder of what is being deleted', async () => {
  const file = await newFile('going');
  assert.equal(await records.releaseContent(file.digest, ''), true);
  const busy = { code: 'storage_busy' };
  await assert.rejects(library.add(file), busy);
  assert.equal(await records.file(file.id), null);
  assert.equal(await contents.has(file.digest), false, 'what was stored for it is not left behind');
  assert.equal((await records.addFile(file, null)).kind, 'going', 'the other one is still at it');
  await contents.drop(file.digest);
  await records.contentGone(file.digest);
  // Put before it was deleted, added after: the content is not there any more.
  await assert.rejects(library.add(file), busy);
  assert.equal(await records.file(file.id), null);
  await library.add(await newFile('going'));
});

test('a file whose content cannot be deleted now is there to be deleted again', async () => {
  const file = await newFile('stubborn');
  await library.add(file);
  const failing = Object.create(contents, {
    drop: { value: () => Promise.reject(new Error('the store is away')) },
  });
  await assert.rejects(new FileLibrary(records, failing).remove(file), /away/);
  assert.deepEqual(await records.file(file.id), file);
  await library.remove(file);
  assert.equal(await records.file(file.id), null);
  assert.equal(await contents.has(file.digest), false);
});

test('an upload that became nothing takes no content from others', async () => {
  const file = await newFile('shared');
  await library.add(file);
  await library.discard(file.digest);
  assert.ok(await contents.has(file.digest));
});

test('files of a tenant, and the bytes of them, are no more than it may have, and are given back', async () => {
  const tenant = 'f11e5000f11e5000';
  const fileOf = (text: string, more: Partial<FileRecord> = {}) => newFile(text, { tenant, ...more });
  const most = { files: 3, bytes: 100 };
  const files = await Promise.all([1, 2, 3, 4, 5].map(n => fileOf(`${n}`.repeat(30))));
  const outcomes = await Promise.all(files.map(file => records.addFile(file, null, most)));
  const added = files.filter((_, i) => outcomes[i]?.kind === 'added');
  assert.equal(added.length, 3);
  assert.deepEqual(await records.fileUse(tenant), { files: 3, bytes: 90 });
  const [first = assert.fail(), second = assert.fail()] = added;
  assert.equal((await records.addFile(first, null, most)).kind, 'added', 'sent again, it needs no room');
  assert.equal(
    (await records.addFile({ ...second, bytes: 35 }, null)).kind,
    'added',
    'replaced by a larger one',
  );
  assert.deepEqual(await records.fileUse(tenant), { files: 3, bytes: 95 });
  for (const times of [1, 2]) {
    await library.remove(first);
    assert.deepEqual(await records.fileUse(tenant), { files: 2, bytes: 65 }, `removed ${times} times`);
  }
  const tooLarge = await fileOf('x'.repeat(36));
  assert.deepEqual(await library.add(tooLarge, null, most), { files: 2, bytes: 65 });
  assert.equal(await records.file(tooLarge.id), null);
  assert.equal(await contents.has(tooLarge.digest), false, 'nothing is left of what was refused');
  assert.deepEqual(await library.add(await fileOf('x'.repeat(35)), null, most), { files: 2, bytes: 65 });
  // A version that keeps no count has added or removed some.
  const direct = new Redis(redis.url);
  await direct.hset(`penstock:file-use:${tenant}`, { files: 7, bytes: 7 });
  direct.disconnect();
  assert.deepEqual(await records.fileUse(tenant), { files: 3, bytes: 100 });
  assert.equal((await records.addFile(await fileOf('y'), null, { bytes: 100 })).kind, 'full');
});

test('open batches of a tenant are no more than it may have, and are given back when they end', async () => {
  const tenant = 'ba7c4000ba7c4000';
  const input = await newFile('batches', { tenant });
  const nowS = Math.floor(Date.now() / 1000);
  const batchOf = () => ({ ...newBatch(input), tenant, expiresAt: nowS + 3600 });
  const batches = [1, 2, 3, 4, 5].map(batchOf);
  const outcomes = await Promise.all(batches.map(batch => records.addBatch(batch, null, 2)));
  const [first = assert.fail(), second = assert.fail(), more] = batches.filter(
    (_, i) => outcomes[i]?.kind === 'created',
  );
  assert.equal(more, undefined);
  assert.deepEqual(await records.addBatch(batchOf(), null, 2), { kind: 'full', openBefore: 2 });
  const key = { key: 'penstock:idem:t:open', digest: 'd' };
  const unbounded = batchOf();
  await records.addBatch(unbounded, key);
  const repeated = await records.addBatch(batchOf(), key, 2);
  assert.deepEqual(
    repeated,
    { kind: 'repeated', id: unbounded.id, openBefore: 3 },
    'what is there needs no room',
  );
  await records.updateBatch(first.id, { status: 'cancelling' }, nowS);
  assert.equal((await records.addBatch(batchOf(), null, 3)).kind, 'full', 'it has not ended yet');
  for (const { id } of [first, second]) await records.updateBatch(id, { status: 'cancelled' }, nowS);
  assert.deepEqual((await records.addBatch(batchOf(), null, 2)).openBefore, 1);
  // One whose record is gone without a word.
  const lost = { ...batchOf(), expiresAt: nowS - 100_000 };
  await records.addBatch(lost, null);
  assert.deepEqual((await records.addBatch(batchOf(), null, 2)).openBefore, 2);
});

test('states of a batch only go forward, and each is stamped once', async () => {
  const batch = newBatch(await newFile('states'));
  await records.addBatch(batch, null);
  const enter = (status: BatchRecord['status'], at: number) => records.updateBatch(batch.id, { status }, at);
  assert.ok(await enter('in_progress', 10));
  assert.ok(await enter('in_progress', 11));
  assert.ok(await records.updateBatch(batch.id, { completed: 3 }, 12));
  assert.ok(await enter('cancelling', 13));
  for (const back of ['in_progress', 'finalizing'] as const) assert.equal(await enter(back, 14), false);
  assert.ok(await enter('cancelled', 15));
  for (const late of ['completed', 'cancelling', 'failed'] as const)
    assert.equal(await enter(late, 16), false);
  const { status, at, completed } = (await records.batch(batch.id)) ?? batch;
  assert.deepEqual([status, completed], ['cancelled', 3]);
  assert.deepEqual(at, { in_progress: 10, cancelling: 13, cancelled: 15 });
  assert.equal(await records.updateBatch('batch_nobody', { status: 'failed' }, 1), false);
  assert.equal(await records.batch('batch_nobody'), null);
});

test('the sweep deletes what is over and takes up batches whose job was lost', async () => {
  const nowS = Math.floor(Date.now() / 1000);
  const over = await newFile('over', { expiresAt: nowS - 1 });
  const fresh = await newFile('fresh', { expiresAt: nowS + 3600 });
  for (const file of [over, fresh]) await library.add(file);
  const batch = newBatch(fresh);
  await records.addBatch(batch, null);
  const added: string[] = [];
  const jobs = { add: async (id: string) => void added.push(id) } as unknown as BatchJobs;
  const log = createLogger({ service: 'test', level: 'silent' });
  const removed: string[] = [];
  const watch = { removed: (what: string) => void removed.push(what), failed() {} };
  await sweep({ records, contents, library, jobs, watch, clock: regionClock, log });
  assert.deepEqual(removed, ['file']);
  assert.equal(await records.file(over.id), null);
  assert.equal(await contents.has(over.digest), false);
  assert.deepEqual((await records.file(fresh.id))?.id, fresh.id);
  assert.ok(added.includes(batch.id));
  assert.ok((await readdir(directory)).every(name => !name.startsWith('.')));
});
