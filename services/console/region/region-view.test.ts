/** The whole view, from messages as processes send them to what is shown. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchFleet } from '@penstock/fleet';
import {
  encodeMessage,
  type Heartbeat,
  type IngressStatus,
  type ModelInfo,
  toModelSlug,
} from '@penstock/protocol';
import { DroppedMessages } from '@penstock/runtime';
import { MemoryModelRegistry, MemoryWorkQueue } from '@penstock/transport/memory';
import { ingressStatus } from '../../../libs/protocol/ingress-status.fixture.ts';
import { IngressNodes } from './ingress-nodes.ts';
import { QueueDepths } from './queue-depths.ts';
import { QueueDirectory } from './queue-directory.ts';
import { RegionView } from './region-view.ts';

const MODEL: ModelInfo = {
  ...{ name: 'org/M', slug: toModelSlug('org/M'), created: 0, ownedBy: 'x', architecture: null },
  endpoints: ['chat', 'rerank'],
};
const REPORT = {
  running: 2,
  kvUse: 0.25,
  errorRate: 0,
  outputTokens: 0,
  resting: null,
  bids: { batch_any: 'full' },
} as const;
const HEARTBEAT: Heartbeat = {
  ...{ v: 1, worker: 'w-1', incarnation: 'p1', models: [MODEL], shard: 0, slots: 4, report: REPORT },
  ...{ pulling: true, leaving: false, waitS: 0, tokensPerSec: 9000, load: 0 },
  ...{ cacheTokens: 0, cacheCapacity: null },
};
const STATUS = ingressStatus({ finished: { done: 3 }, ttft: { bounds: [1], counts: [3, 3] }, waiting: [] });

async function startView(prices: Record<string, number> = {}) {
  let nowMs = 1_000_000;
  const clock = { now: () => nowMs, monotonic: () => nowMs };
  const queue = new MemoryWorkQueue(clock);
  await queue.ensureWorkStream('eu', 0, { maxMessages: 100, maxBytes: 1e6 });
  const registry = new MemoryModelRegistry();
  const dropped = new DroppedMessages();
  const source = { region: 'eu', shards: 1, channel: queue, registry, clock, dropped };
  const fleet = await watchFleet({ ...source, rand: () => 0 });
  const nodes = new IngressNodes(clock);
  const directory = new QueueDirectory({ fleet, nodes, clock });
  const depths = new QueueDepths({ region: 'eu', queue, known: () => directory.known(), clock });
  const view = new RegionView({
    ...{ region: 'eu', fleet, nodes, depths, clock, connected: () => queue.connected, targetTtftMs: 1000 },
    priceOf: slug => prices[slug],
  });
  const beat = (some: Partial<Heartbeat> = {}) =>
    queue.send(
      { kind: 'heartbeat', region: 'eu', worker: some.worker ?? 'w-1' },
      encodeMessage({ ...HEARTBEAT, ...some }),
    );
  return {
    ...{ queue, nodes, depths, view, beat },
    /** A second in which `tell` is told. */
    async second(tell: () => void = () => {}) {
      nowMs += 1000;
      tell();
      await new Promise(setImmediate);
      await depths.look();
      const state = view.look();
      view.sample(state);
      return state;
    },
  };
}

test('workers, slots, rates and cost are those of the heartbeats', async () => {
  const { beat, second } = await startView({ [MODEL.slug]: 2.5 });
  await second(() => beat());
  const report = { ...REPORT, outputTokens: 300 };
  const state = await second(() => {
    beat({ report });
    beat({ worker: 'w-2', report: { ...REPORT, running: 4 } });
  });
  assert.deepEqual(state.workers['w-1'], {
    ...{ state: 'working', models: ['org/M'], shard: 0, slots: 4, waitS: 0, tokensPerSec: 9000 },
    ...{ running: 2, errorRate: 0, kvUse: 0.25, outputPerS: 300, bids: { batch_any: 'full' } },
  });
  assert.equal(state.workers['w-2']?.state, 'full');
  const { running, slots, outputPerS, costPerHour } = state.totals;
  assert.deepEqual([running, slots, outputPerS, costPerHour], [6, 8, 300, 5]);
});

test('a worker that falls silent is shown as silent within the time that others take it for lost', async () => {
  const { beat, second } = await startView();
  await second(() => beat());
  for (let i = 0; i < 4; i++) await second();
  const state = await second();
  assert.deepEqual([state.workers['w-1']?.state, state.workers['w-1']?.silentS], ['silent', 5]);
  assert.equal(state.totals.slots, 0);
  assert.match(state.incident.text, /worker w-1 is silent/i);
});

test('a worker of an older version, which reports nothing, is shown as far as it is known', async () => {
  const { beat, second } = await startView();
  const { report: _, ...older } = HEARTBEAT;
  const state = await second(() => beat({ ...older, report: undefined }));
  const row = state.workers['w-1'];
  assert.deepEqual([row?.state, row !== undefined && 'running' in row, row?.slots], ['idle', false, 4]);
});

test('what waits is what the broker holds, for how long is what the ingress or the broker says; nobody is late in lower lanes', async () => {
  const { beat, nodes, queue, second } = await startView();
  const key = { region: 'eu', shard: 0, slug: MODEL.slug, lane: 'batch', size: 'any' } as const;
  await queue.ensureConsumer(key, { ackWaitMs: 1000 });
  for (const id of ['a', 'b'])
    await queue.publish({ ...key, worker: null, id }, Buffer.from('x'), { messageId: id, ttlMs: 60_000 });
  const waiting = [
    { slug: MODEL.slug, lane: 'interactive' as const, atDoor: 0, requests: 1, oldestMs: 14_000 },
  ];
  const state = await second(() => {
    beat();
    nodes.hear({ ...STATUS, waiting });
  });
  const { oldestS: _, ...batch } = state.queues[`${MODEL.slug} batch`] ?? assert.fail();
  assert.deepEqual(batch, {
    ...{ state: 'waiting', model: 'org/M', lane: 'batch', queued: 2 },
    ...{ workers: 1, ready: 1, slots: 4, free: 2 },
  });
  assert.deepEqual(
    [state.queues[`${MODEL.slug} interactive`]?.state, state.queues[`${MODEL.slug} interactive`]?.oldestS],
    ['late', 14],
  );
  assert.deepEqual([state.totals.queued, state.totals.oldestS], [3, 14]);
  assert.equal(Object.values(state.queues).length, 2, 'the queue of other endpoints is idle');
});

test('of the last minute: the share in target counts what failed, and rows that have not changed are the same objects', async () => {
  const { beat, nodes, second } = await startView();
  const hear = (some: Partial<IngressStatus>) => nodes.hear({ ...STATUS, ...some });
  await second(() => hear({}));
  const before = await second(() => beat());
  assert.equal('inTarget' in before.totals, false, 'nothing ended');
  const after = await second(() => {
    beat();
    hear({ ttft: { bounds: [1], counts: [6, 6] }, finished: { done: 6, deadline: 1 } });
  });
  assert.equal(after.totals.inTarget, 0.75);
  assert.ok(after.workers === before.workers);
});

test('a console that has just begun does not say that nobody is there', async () => {
  const { second } = await startView();
  assert.match((await second()).incident.text, /^Listening/);
  for (let i = 0; i < 3; i++) await second();
  assert.match((await second()).incident.text, /no ingress node is heard/i);
});
