/** The outbox of events: one entry for each thing that becomes final, written with it, read until somebody is done. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  type BatchRecord,
  type NewRun,
  type RunKind,
  type RunResult,
  webhookListKey,
} from '@penstock/protocol';
import { RedisEventOutbox, RedisRunStore, RedisTaskRecords, type RunEnd } from '@penstock/transport';
import { BullBatches, BullDeliveries } from '@penstock/transport/bullmq';
import { nth } from '@penstock/transport/contracts';
import { Redis } from 'ioredis';
import { startRedis } from '../../testkit/redis.ts';
import { waitFor } from '../../testkit/stack.ts';

const TENANT = 'a1b2c3d4e5f60718';
const redis = await startRedis();
const options = (name: string) => ({ url: redis.url, name });
const runs = await RedisRunStore.connect(options('runs'));
const records = await RedisTaskRecords.connect(options('records'));
const outbox = await RedisEventOutbox.connect(options('one'));
const other = await RedisEventOutbox.connect(options('two'), 0);
const raw = new Redis(redis.url);
raw.on('error', () => {});

before(async () => {
  await raw.zadd(webhookListKey(TENANT), 1, 'whe_x');
});
after(async () => {
  raw.disconnect();
  await Promise.all([runs, records, outbox, other].map(each => each.close()));
  await redis.stop();
});

function newRun(id: string, kind: RunKind, tenant = TENANT): NewRun {
  const at = Date.now();
  return {
    ...{ id, kind, detail: '', tenant, endpoint: 'chat', model: 'm', slug: 'm', address: null },
    createdAt: at,
    deadlineAt: at + 60_000,
  };
}

const result = (status: number, body: string): RunResult => ({
  status,
  contentType: 'application/json',
  body: Buffer.from(body),
  finishedAt: 1,
});
const finished = (reason: string) =>
  JSON.stringify({ choices: [{ message: { content: '' }, finish_reason: reason }] });

const ttl = { recordMs: 60_000, logMs: 60_000 };
const ended = (result: RunResult, status: RunEnd['status'] = 'completed'): RunEnd => ({
  ...{ status, result, log: 'none', last: null },
});

const BATCH: BatchRecord = {
  ...{ id: 'batch_b', tenant: TENANT, endpoint: '/v1/chat/completions', inputFileId: 'file-x' },
  ...{ inputDigest: 'd', outputLifeS: null, model: null, usage: null },
  ...{ status: 'validating', createdAt: 1, expiresAt: 2, metadata: null, errors: [], at: {} },
  ...{ outputFileId: null, errorFileId: null, total: 0, completed: 0, failed: 0 },
};

async function finish(run: NewRun, end: RunEnd): Promise<void> {
  await runs.create(run, 60_000, null);
  await runs.begin(run.id, nth(1), 'w');
  assert.ok(await runs.finish(run.id, nth(1), end, ttl));
}

/** Reads until nothing comes. */
async function told(): Promise<string[]> {
  const events = await outbox.next(1);
  await outbox.done(events.map(event => event.entry));
  return events.map(event => `${event.type} ${event.resource}`);
}

test('the event of a run that ends has the id its client knows', async () => {
  await finish(newRun('j1', 'job'), ended(result(200, finished('length')), 'incomplete'));
  await finish(newRun('j2', 'job'), ended(result(400, '{}')));
  await finish(newRun('r1', 'response'), ended(result(200, finished('stop'))));
  await finish(newRun('r2', 'response'), ended(result(200, finished('length')), 'incomplete'));
  await finish(newRun('r3', 'response'), ended(result(404, '{}'), 'failed'));
  assert.deepEqual(await told(), [
    'job.completed j1',
    'job.failed j2',
    'response.completed resp_r1',
    'response.incomplete resp_r2',
    'response.failed resp_r3',
  ]);
});

test('a run cancelled twice and finished late makes one event; so does one that failed for good', async () => {
  await runs.create(newRun('c1', 'response'), 60_000, null);
  await runs.begin('c1', nth(1), 'w');
  for (let i = 0; i < 2; i++) assert.ok(await runs.cancel({ id: 'c1', tenant: TENANT }, 1, ttl));
  assert.equal(await runs.finish('c1', nth(1), ended(result(200, finished('stop'))), ttl), false);
  await runs.create(newRun('f1', 'job'), 60_000, null);
  for (const attempt of [1, 2]) {
    await runs.begin('f1', nth(attempt), 'w');
    await runs.fail(
      'f1',
      nth(attempt),
      { result: result(502, '{}'), log: 'none', lastWords: 'oops' },
      2,
      ttl,
    );
  }
  assert.deepEqual(await told(), ['response.cancelled resp_c1', 'job.failed f1']);
});

test('lines of batches, foreground responses and tenants without endpoints make no events', async () => {
  await finish(newRun('batch_x-1', 'batch_line'), ended(result(200, finished('stop'))));
  await runs.keep(newRun('k1', 'response'), ended(result(200, finished('stop'))), ttl);
  await finish(newRun('n1', 'job', 'ffffffffffffffff'), ended(result(200, finished('stop'))));
  assert.deepEqual(await told(), []);
});

test('a batch makes one event, when it is final', async () => {
  await records.addBatch(BATCH, null);
  for (const status of ['in_progress', 'finalizing', 'completed', 'failed'] as const)
    await records.updateBatch(BATCH.id, { status }, 5);
  assert.deepEqual(await told(), ['batch.completed batch_b']);
});

test('what a reader took and did not get done with goes to another', async () => {
  await finish(newRun('a1', 'job'), ended(result(200, finished('stop'))));
  assert.equal((await outbox.next(1)).length, 1);
  assert.equal((await other.next(1)).length, 0);
  const found = await other.abandoned();
  assert.deepEqual(
    found.map(event => event.resource),
    ['a1'],
  );
  await other.done(found.map(event => event.entry));
  assert.equal((await other.abandoned()).length, 0);
});

/** Of a reader, ms: much longer than a slow machine needs. */
const WAIT_MS = 60_000;

test('a waiting reader hears of an event at once, and again after the server was away', async () => {
  for (const id of ['w1', 'w2']) {
    const next = outbox.next(WAIT_MS);
    const from = performance.now();
    await finish(newRun(id, 'job'), ended(result(200, finished('stop'))));
    const events = await next;
    assert.equal(events[0]?.resource, id);
    assert.ok(performance.now() - from < WAIT_MS / 2, 'it does not sit out its wait');
    await outbox.done(events.map(event => event.entry));
    if (id === 'w1') await redis.restart();
  }
});

for (const refused of ['xadd', 'hset'])
  test(`a run whose end is refused half-way (${refused}) stays open, and is told of when its end is written again`, async () => {
    const run = newRun(`j-refused-${refused}`, 'job');
    const end = ended(result(200, finished('stop')));
    await runs.create(run, 60_000, null);
    await runs.begin(run.id, nth(1), 'w');
    await raw.call('ACL', 'SETUSER', 'default', `-${refused}`);
    await assert.rejects(runs.finish(run.id, nth(1), end, ttl));
    assert.equal((await runs.read(run.id))?.status, 'in_progress');
    await raw.call('ACL', 'SETUSER', 'default', `+${refused}`);
    assert.deepEqual(await told(), []);
    assert.ok(await runs.finish(run.id, nth(1), end, ttl));
    assert.deepEqual(await told(), [`job.completed j-refused-${refused}`]);
  });

for (const refused of ['xadd', 'hset'])
  test(`a batch whose end is refused half-way (${refused}) is told of when its end is written again`, async () => {
    const batch = { ...BATCH, id: `batch_refused_${refused}` };
    await records.addBatch(batch, null);
    await raw.call('ACL', 'SETUSER', 'default', `-${refused}`);
    await assert.rejects(records.updateBatch(batch.id, { status: 'completed' }, 5));
    await raw.call('ACL', 'SETUSER', 'default', `+${refused}`);
    assert.deepEqual(await told(), []);
    await records.updateBatch(batch.id, { status: 'completed' }, 5);
    assert.deepEqual(await told(), [`batch.completed ${batch.id}`]);
  });

test('a delivery that Redis refused half-way is made once it is added again', async t => {
  const jobs = new BullDeliveries({ url: redis.url }, 3);
  t.after(() => jobs.close());
  const event = { id: 'evt_half', type: 'response.completed', resource: 'resp_half', createdAt: 1 } as const;
  const job = { endpoint: 'whe_half', event };
  await raw.call('ACL', 'SETUSER', 'default', '-xadd');
  await assert.rejects(jobs.add([job]));
  await raw.call('ACL', 'SETUSER', 'default', '+xadd');
  const made: string[] = [];
  jobs.work(
    async ({ event: { id } }) => {
      made.push(id);
      return { kind: 'done', result: null };
    },
    () => {},
  );
  for (let i = 0; i < 2; i++) await jobs.completeAdd([job]);
  await waitFor(() => made.length > 0);
  await jobs.completeAdd([job]);
  await waitFor(async () => Object.values(await jobs.counts()).every(count => count === 0));
  assert.deepEqual(made, ['evt_half']);
});

test('a delivery is made that Redis refused half-way to put back', async t => {
  const jobs = new BullDeliveries({ url: redis.url }, 3);
  t.after(() => jobs.close());
  const event = { id: 'evt_back', type: 'response.completed', resource: 'resp_back', createdAt: 1 } as const;
  let runs = 0;
  let isRefused = false;
  jobs.work(
    async () => {
      if (runs++ > 0) return { kind: 'done', result: null };
      await raw.call('ACL', 'SETUSER', 'default', '-hset');
      return { kind: 'later', delayMs: 10 };
    },
    () => {
      isRefused = true;
    },
  );
  await jobs.add([{ endpoint: 'whe_back', event }]);
  await waitFor(() => isRefused);
  await raw.call('ACL', 'SETUSER', 'default', '+hset');
  await waitFor(() => runs === 2);
});

test('a batch that Redis refused half-way to queue is queued when it is added again', async t => {
  const batches = new BullBatches({ url: redis.url });
  t.after(() => batches.close());
  await raw.call('ACL', 'SETUSER', 'default', '-hset');
  await assert.rejects(batches.add('batch_half'));
  await raw.call('ACL', 'SETUSER', 'default', '+hset');
  await batches.add('batch_half');
  const { promise, resolve } = Promise.withResolvers<string>();
  batches.work(
    async id => {
      resolve(id);
      return { kind: 'done' };
    },
    () => {},
  );
  assert.equal(await promise, 'batch_half');
});
