import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeEnvelope,
  encodeEnvelope,
  type NewRun,
  type QueueAddress,
  sharedAddress,
  type WorkMeta,
} from '@penstock/protocol';
import { RunRequeue } from '@penstock/runs';
import type { Logger } from '@penstock/runtime';
import type { Delivery } from '@penstock/transport';
import { MemoryRunStore, MemoryWorkQueue } from '@penstock/transport/memory';
import { workMeta } from '../../../libs/protocol/work-meta.fixture.ts';
import { UndeliveredWork } from './undelivered-work.ts';

const KEY = { region: 'eu', shard: 0, slug: 'm', lane: 'batch', size: 'any' } as const;
const META = workMeta({ from: 'tasks', lane: 'batch', size: 'any', deadlineAt: 1e6, stored: true });

/** A broker that has delivered everything 1,000 times, and finds what it is told to. */
async function world() {
  const clock = { time: 0, now: () => clock.time, monotonic: () => clock.time };
  const runs = new MemoryRunStore(clock);
  const queue = new MemoryWorkQueue(clock);
  await queue.ensureWorkStream('eu', 0, { maxMessages: 100, maxBytes: 1e6 });
  await queue.ensureConsumer(KEY, { ackWaitMs: 1e9 });
  const state = { found: [] as QueueAddress[], counted: [] as string[], isAway: false };
  const work = new UndeliveredWork({
    queue: {
      read: address => queue.read(address),
      undelivered: async () => {
        if (state.isAway) throw new Error('away');
        return state.found;
      },
    },
    requeue: new RunRequeue({ store: runs, queue, clock }),
    ...{ region: 'eu', shards: 1, clock, log: { warn() {} } as unknown as Logger },
    watch: { removed: what => state.counted.push(what), failed: what => state.counted.push(`no ${what}`) },
  });
  const add = async (id: string, meta: Partial<WorkMeta> = {}) => {
    const address = sharedAddress(KEY, id);
    const data = encodeEnvelope({ ...META, ...meta, id }, Buffer.from('{"a":1}'));
    await queue.publish(address, data, { messageId: id, ttlMs: 1e6 });
    state.found.push(address);
    return { id, kind: 'job', tenant: 't', address, deadlineAt: 1e6, createdAt: 0 } as unknown as NewRun;
  };
  const lookAt = async (time: number) => {
    clock.time = time;
    await work.look();
  };
  return { runs, queue, state, add, lookAt };
}

test('a queued run whose message is delivered to nobody for a minute gets another message, with attempts that go on counting', async () => {
  const { runs, queue, state, add, lookAt } = await world();
  await runs.create(await add('r1'), 1e6, null);
  await runs.begin('r1', { number: 1000, nonce: 7 }, 'w');
  await runs.putBack('r1', { number: 1000, nonce: 7 }, 'no room');
  const taken: Delivery[] = [];
  queue.pull(KEY, delivery => void taken.push(delivery)).bid({ level: 0, batch: 5 });
  await new Promise(setImmediate);
  assert.equal(taken.length, 1);
  for (const time of [0, 59_000]) await lookAt(time);
  assert.deepEqual([state.counted, taken.length], [[], 1]);
  await lookAt(60_000);
  await new Promise(setImmediate);
  assert.deepEqual(state.counted, ['undelivered_message']);
  const { meta, body } = decodeEnvelope(taken[1]?.data ?? assert.fail());
  assert.deepEqual([meta.attemptBase, body.toString(), taken[1]?.deliveryCount], [1000, '{"a":1}', 1]);
});

test('a message that is not found each time is delivered, and its minute begins anew', async () => {
  const { runs, state, add, lookAt } = await world();
  await runs.create(await add('r1'), 1e6, null);
  await lookAt(0);
  const found = state.found;
  state.found = [];
  await lookAt(30_000);
  state.found = found;
  for (const time of [60_000, 90_000]) await lookAt(time);
  assert.deepEqual(state.counted, []);
});

test('what runs, and what an ingress waits for, stays; what nobody wants any more is removed', async () => {
  const { runs, queue, state, add, lookAt } = await world();
  await runs.create(await add('running'), 1e6, null);
  await runs.begin('running', { number: 1, nonce: 7 }, 'w');
  await add('call', { stored: false });
  await add('unknown');
  for (const time of [0, 60_000]) await lookAt(time);
  assert.deepEqual(queue.queued, ['work.eu.0.m.batch.any.any.running', 'work.eu.0.m.batch.any.any.call']);
  assert.deepEqual(state.counted, ['undelivered_message']);
});

test('a broker that cannot say is asked again', async () => {
  const { state, lookAt } = await world();
  state.isAway = true;
  await lookAt(0);
  assert.deepEqual(state.counted, ['no undelivered']);
});
