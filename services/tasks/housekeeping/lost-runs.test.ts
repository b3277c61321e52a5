import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeEnvelope, encodeMessage, readRunningQuestion } from '@penstock/protocol';
import { DoneChannel, encodeRunMessage, newRun, publishRun, type QueuedRun, RunExpiry } from '@penstock/runs';
import type { Logger } from '@penstock/runtime';
import { ClaimCheck } from '@penstock/transport';
import { nth } from '@penstock/transport/contracts';
import {
  MemoryOpenRuns,
  MemoryRequestBodies,
  MemoryRunStore,
  MemoryWorkQueue,
} from '@penstock/transport/memory';
import { LostRuns } from './lost-runs.ts';

const KEY = { region: 'eu', shard: 1, slug: 'm', lane: 'background', size: 'any' } as const;
const DEADLINE = 100_000;
const EVERY_MS = 2000;

async function world() {
  let nowMs = 0;
  const clock = { now: () => nowMs, monotonic: () => nowMs };
  const queue = new MemoryWorkQueue(clock);
  for (const shard of [0, 1]) await queue.ensureWorkStream('eu', shard, { maxMessages: 99, maxBytes: 1e6 });
  await queue.ensureDeadStream('eu');
  const runs = new MemoryRunStore(clock);
  const open = new MemoryOpenRuns(runs);
  const claims = new ClaimCheck(new MemoryRequestBodies(clock), 1000);
  const ttl = { recordMs: 1000, logMs: 1000 };
  const expiry = new RunExpiry({ store: runs, claims, done: new DoneChannel(queue, 'eu'), ttl, clock });
  const removed: string[] = [];
  const failed: string[] = [];
  const lostRuns = (name: string) =>
    new LostRuns({
      ...{ name, open, runs, queue, expiry, region: 'eu', shards: 2, clock },
      watch: { removed: what => void removed.push(what), failed: what => void failed.push(what) },
      log: { warn() {} } as unknown as Logger,
    });
  const sweeps = [lostRuns('tasks-1'), lostRuns('tasks-2')];
  /** @returns ids that were queued meanwhile. */
  const pass = async (ms: number) => {
    const before = queue.published.items.length;
    for (const end = nowMs + ms; nowMs < end; ) {
      nowMs += EVERY_MS;
      for (const sweep of sweeps) await sweep.look();
    }
    return queue.published.items.slice(before).map(({ data }) => decodeEnvelope(data).meta.id);
  };
  const accept = async (id: string, isQueued = true): Promise<QueuedRun> => {
    const about = { id, kind: 'job', detail: '', tenant: 't', endpoint: 'chat', model: 'M' } as const;
    const run = newRun({ ...about, queue: KEY, createdAt: 0, deadlineAt: DEADLINE });
    const message = await encodeRunMessage(claims, run, {
      ...({ from: 'in-1', lane: 'background', size: 'any', stream: false, promptTokens: 5 } as const),
      ...{ maxTokens: null, fleetRate: 0, body: Buffer.from(`{"id":"${id}"}`) },
    });
    await runs.create(run, 10 * DEADLINE, null, message);
    if (isQueued) await publishRun(queue, run, message, DEADLINE);
    return run;
  };
  const end = {
    ...({ status: 'completed', log: 'none', last: null } as const),
    result: { status: 200, contentType: 'text/plain', body: Buffer.from('answer'), finishedAt: 1 },
  };
  return { queue, runs, sweeps, pass, accept, removed, failed, ttl, end };
}

test('a run whose message is gone is queued again, once, with its bytes and above its earlier attempts', async () => {
  const { queue, runs, pass, accept, removed } = await world();
  const run = await accept('r1');
  await accept('r2');
  await accept('r3', false);
  await runs.begin('r1', nth(3), 'w-1');
  await queue.clear(run.address);
  assert.deepEqual(await pass(4000), [], 'it may be on its way');
  assert.deepEqual((await pass(6000)).sort(), ['r1', 'r3']);
  assert.deepEqual(removed, ['lost_run', 'lost_run']);
  const { meta, body } = decodeEnvelope((await queue.read(run.address)) ?? assert.fail());
  assert.deepEqual([meta.attemptBase, String(body)], [3, '{"id":"r1"}']);
  assert.equal((await runs.read('r1'))?.status, 'queued');
  assert.equal(await runs.begin('r1', nth(4), 'w-2'), 'begun');
  assert.deepEqual(await pass(20_000), []);
});

test('what is final, or was begun meanwhile, is left alone', async () => {
  const { queue, runs, pass, accept, end, ttl } = await world();
  const [done, begun] = [await accept('done'), await accept('begun')];
  for (const run of [done, begun]) await queue.clear(run.address);
  await runs.begin('done', nth(1), 'w-1');
  await pass(4000);
  await runs.finish('done', nth(1), end, ttl);
  await runs.begin('begun', nth(1), 'w-1');
  assert.deepEqual(await pass(4000), [], 'another attempt than the one that was missed');
  assert.deepEqual(await pass(4000), ['begun'], 'until that is missed too');
});

test('what a worker says it runs is not run twice, nor what its worker cannot be asked about now', async () => {
  const { queue, runs, pass, accept } = await world();
  const asked: unknown[] = [];
  const told: { running: boolean | null } = { running: true };
  queue.listen({ kind: 'worker', worker: 'w-1' }, (payload, reply) => {
    asked.push(readRunningQuestion(payload));
    if (told.running !== null) reply(encodeMessage({ goesOn: told.running }));
  });
  const run = await accept('r1');
  await runs.begin('r1', nth(2), 'w-1');
  await queue.clear(run.address);
  assert.deepEqual(await pass(20_000), []);
  assert.deepEqual(asked[0], { runs: 'r1', attempt: 2 });
  told.running = false;
  assert.deepEqual(await pass(2000), ['r1']);
});

test('a run without time is ended, and one whose message was not kept waits for its deadline', async () => {
  const { queue, runs, pass, accept } = await world();
  const late = await accept('late');
  await queue.clear(late.address);
  const about = { id: 'old', kind: 'job', detail: '', tenant: 't', endpoint: 'chat', model: 'M' } as const;
  await runs.create(newRun({ ...about, queue: KEY, createdAt: 0, deadlineAt: DEADLINE }), 1e9, null);
  queue.publish = () => Promise.reject(new Error('no broker'));
  await pass(20_000);
  assert.deepEqual(
    [(await runs.read('late'))?.status, (await runs.read('old'))?.status],
    ['queued', 'queued'],
  );
  await pass(DEADLINE);
  assert.equal((await runs.read('late'))?.status, 'failed');
});

test('of several processes one looks, and another when that has ended', async () => {
  const { queue, sweeps, pass, accept } = await world();
  await pass(2000);
  sweeps.shift();
  const run = await accept('r1');
  await queue.clear(run.address);
  assert.deepEqual(await pass(6000), [], 'the first one may still be there');
  assert.deepEqual(await pass(10_000), ['r1']);
});
