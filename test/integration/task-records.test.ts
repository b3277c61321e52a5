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
  assert.deepEqual(await records.addBatch(newBatch(await newFile('keyed')), { ...key, digest: 'batch' }), {
    ...{ kind: 'repeated', id: batch.id },
  });
  const other = { key: 'penstock:idem:t:run', digest: 'run' };
  await runs.create(run, 60_000, other);
  assert.deepEqual(await records.addBatch(newBatch(await newFile('x')), { ...other, digest: 'batch' }), {
    kind: 'reused',
  });
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
  assert.equal(await records.addFile(file, null), false, 'the other one is still at it');
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
