import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeEnvelope,
  encodeEnvelope,
  type NewRun,
  sharedAddress,
  type WorkMeta,
  type WorkQueueKey,
} from '@penstock/protocol';
import { RunRequeue } from '@penstock/runs';
import type { Logger } from '@penstock/runtime';
import { MemoryRunStore, MemoryWorkQueue } from '@penstock/transport/memory';
import { workMeta } from '../../../libs/protocol/work-meta.fixture.ts';
import { StrandedWork } from './stranded-work.ts';

const META = workMeta({
  ...({ from: 'tasks', lane: 'batch', size: 'any', deadlineAt: 1e6, stored: true } as const),
  ...{ attemptBase: 2, held: { w: 5 } },
});
const keyOf = (shard: number, slug = 'm'): WorkQueueKey => ({
  ...{ region: 'eu', shard, slug },
  ...({ lane: 'batch', size: 'any' } as const),
});
const turns = async () => {
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
};

async function world(shards: number) {
  const clock = { time: 0, now: () => clock.time, monotonic: () => clock.time };
  const runs = new MemoryRunStore(clock);
  const queue = new MemoryWorkQueue(clock);
  /** The third is one that the region had. */
  for (const shard of [0, 1, 2]) {
    await queue.ensureWorkStream('eu', shard, { maxMessages: 2, maxBytes: 1e6 });
    for (const slug of ['m', 'alone']) await queue.ensureConsumer(keyOf(shard, slug), { ackWaitMs: 1e9 });
  }
  const state = { serving: [1], failed: [] as string[] };
  const work = new StrandedWork({
    fleet: {
      isStranded: (slug, shard) => slug === 'm' && state.serving.length > 0 && !state.serving.includes(shard),
      shardFor: () => state.serving[0] ?? 0,
    },
    requeue: new RunRequeue({ store: runs, queue, clock }),
    ...{ queue, region: 'eu', shards, log: { info() {}, warn() {} } as unknown as Logger },
    watch: { failed: what => state.failed.push(what) },
  });
  const add = async (id: string, shard: number, meta: Partial<WorkMeta> = {}, slug = 'm') => {
    const address = sharedAddress(keyOf(shard, slug), id);
    const data = encodeEnvelope({ ...META, ...meta, id, slug }, Buffer.from('{"a":1}'));
    await queue.publish(address, data, { messageId: id, ttlMs: 1e6 });
    await runs.create({ id, kind: 'job', tenant: 't', address, deadlineAt: 1e6 } as NewRun, 1e6, null);
  };
  return { clock, runs, queue, state, work, add };
}

test('stored work leaves a shard in which nobody serves its model, and its record says where it is', async () => {
  const { runs, queue, work, add } = await world(2);
  await add('r1', 0);
  await add('stays', 1);
  await work.look();
  await turns();
  assert.deepEqual(queue.queued, ['work.eu.1.m.batch.any.any.stays', 'work.eu.1.m.batch.any.any.r1']);
  const { meta, body } = decodeEnvelope(queue.published.items.at(-1)?.data ?? assert.fail());
  // A worker that is dead may have begun it: what comes next has a higher number.
  assert.deepEqual([meta.attemptBase, meta.held, body.toString()], [3, {}, '{"a":1}']);
  assert.equal((await runs.read('r1'))?.address?.shard, 1);
});

test('what an ingress waits for, and a model that nobody serves, stay', async () => {
  const { clock, queue, state, work, add } = await world(2);
  await add('call', 0, { stored: false });
  await add('alone', 0, {}, 'alone');
  await work.look();
  await turns();
  assert.deepEqual(queue.queued, ['work.eu.0.m.batch.any.any.call', 'work.eu.0.alone.batch.any.any.alone']);
  assert.deepEqual(queue.settled.items.at(-1), {
    ...{ subject: 'work.eu.0.m.batch.any.any.call', how: 'nak', delayMs: 5000 },
  });
  // A worker came back: nothing more is taken from there.
  state.serving = [0, 1];
  clock.time = 6000;
  await work.look();
  queue.elapse();
  await turns();
  assert.equal(queue.settled.items.length, 1);
});

test('what the other shard has no room for is tried again, and a broker that is away is asked again', async () => {
  const { clock, queue, state, work, add } = await world(2);
  for (const id of ['a', 'b']) await add(id, 1);
  await add('r1', 0);
  await work.look();
  await turns();
  assert.ok(queue.queued.includes('work.eu.0.m.batch.any.any.r1'));
  await queue.clear(sharedAddress(keyOf(1), 'a'));
  clock.time = 5000;
  queue.elapse();
  await turns();
  assert.ok(queue.queued.includes('work.eu.1.m.batch.any.any.r1'));
  queue.setConnected(false);
  await work.look();
  assert.deepEqual(state.failed, ['stranded']);
});

test('work leaves shards that a region no longer has, and the only shard is never looked at', async () => {
  const { queue, state, work, add } = await world(1);
  state.serving = [0];
  await add('r1', 2);
  await work.look();
  await turns();
  assert.deepEqual(queue.queued, ['work.eu.0.m.batch.any.any.r1']);
  const asked: number[] = [];
  queue.queuesWithWork = async (_region, isAsked) => {
    for (const shard of [0, 1]) if (isAsked(shard)) asked.push(shard);
    return [];
  };
  await work.look();
  assert.deepEqual(asked, [1]);
});
