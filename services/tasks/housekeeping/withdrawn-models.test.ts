import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { encodeEnvelope, type ModelInfo, sharedAddress } from '@penstock/protocol';
import { DoneChannel, encodeRunMessage, newRun, publishRun, RunAttempts, RunExpiry } from '@penstock/runs';
import type { Logger } from '@penstock/runtime';
import { ClaimCheck } from '@penstock/transport';
import { MemoryRequestBodies, MemoryRunStore, MemoryWorkQueue } from '@penstock/transport/memory';
import { workMeta } from '../../../libs/protocol/work-meta.fixture.ts';
import { WithdrawnModels } from './withdrawn-models.ts';

const KEY = { region: 'eu', shard: 0, slug: 'lora', lane: 'batch', size: 'any' } as const;
const MODEL: ModelInfo = {
  ...{ name: 'lora', slug: 'lora', created: 0, ownedBy: 'x', architecture: null, withdrawnAt: 0 },
  endpoints: ['chat'],
} as ModelInfo;

async function world() {
  const state = { now: 1000, withdrawn: [] as ModelInfo[], abandoned: [] as string[] };
  const clock = { now: () => state.now, monotonic: () => state.now };
  const queue = new MemoryWorkQueue(clock);
  await queue.ensureWorkStream('eu', 0, { maxMessages: 100, maxBytes: 1e6 });
  await queue.ensureConsumer(KEY, { ackWaitMs: 10_000 });
  const store = new MemoryRunStore(clock);
  const claims = new ClaimCheck(new MemoryRequestBodies(clock), 1000);
  const done = new DoneChannel(queue, 'eu');
  const ttl = { recordMs: 1e6, logMs: 1e6 };
  const expiry = new RunExpiry({ store, claims, done, ttl, clock });
  const models = new WithdrawnModels({
    fleet: {
      withdrawnModels: () => state.withdrawn,
      abandonedQueues: () => state.abandoned,
      isAbandoned: queue => state.abandoned.includes(queue),
      isWithdrawn: slug => state.withdrawn.some(model => model.slug === slug),
    },
    attempts: new RunAttempts({ store, expiry, done, ttl, clock }),
    ...{ queue, claims, region: 'eu', shards: 1, name: 'tasks-1', clock },
    log: { info() {}, warn() {} } as unknown as Logger,
  });
  const accept = async (id: string) => {
    const about = {
      kind: 'job',
      detail: '',
      tenant: 't',
      endpoint: 'chat',
      model: 'lora',
      queue: KEY,
    } as const;
    const run = newRun({ id, ...about, createdAt: 0, deadlineAt: 1e6 });
    await store.create(run, 1e6, null);
    const work = { from: 'in-1', stream: false, promptTokens: 1, maxTokens: null, fleetRate: 0 };
    const message = await encodeRunMessage(claims, run, {
      ...work,
      lane: 'batch',
      size: 'any',
      body: Buffer.from('{}'),
    });
    await publishRun(queue, run, message, 1e6);
  };
  const look = async () => {
    models.look();
    for (let i = 0; i < 20; i++) await turn();
  };
  return { state, queue, store, accept, look };
}

test('stored work for a model that was unloaded is refused as such, once, and its queue is left when it is served again', async () => {
  const { state, queue, store, accept, look } = await world();
  await accept('r1');
  await look();
  assert.equal((await store.read('r1'))?.status, 'queued', 'its workers may only be away');
  state.withdrawn = [MODEL];
  await look();
  await accept('r2');
  await look();
  for (const id of ['r1', 'r2']) {
    const run = await store.read(id);
    assert.deepEqual([run?.status, run?.result?.status], ['failed', 404]);
    assert.match(String(run?.result?.body), /"code":"model_not_found"/);
  }
  assert.deepEqual(queue.queued, []);
  state.withdrawn = [];
  await look();
  await accept('r3');
  await look();
  assert.deepEqual([(await store.read('r3'))?.status, queue.queued.length], ['queued', 1]);
});

test('work whose client waits at an ingress is left to it, and a model withdrawn long ago is not watched', async () => {
  const { state, queue, accept, store, look } = await world();
  const about = { id: 'i1', model: 'lora', slug: 'lora', lane: 'batch', size: 'any' } as const;
  const message = encodeEnvelope(workMeta({ ...about, deadlineAt: 1e6 }), Buffer.from('{}'));
  await queue.publish(sharedAddress(KEY, 'i1'), message, { messageId: 'i1', ttlMs: 1e6 });
  state.withdrawn = [MODEL];
  await look();
  assert.deepEqual(
    queue.settled.items.map(({ how }) => how),
    ['nak'],
  );
  assert.equal(queue.queued.length, 1);
  state.now += 20 * 60_000;
  await look();
  await accept('r1');
  await look();
  assert.equal((await store.read('r1'))?.status, 'queued');
});

test('stored work for an endpoint that no engine of its model has any more is refused as such', async () => {
  const { state, queue, store, accept, look } = await world();
  await accept('r1');
  state.abandoned = ['lora'];
  await look();
  const { status, result } = (await store.read('r1')) ?? {};
  assert.deepEqual([status, result?.status, queue.queued.length], ['failed', 404, 0]);
  assert.match(String(result?.body), /"code":"endpoint_not_found"/);
  state.abandoned = [];
  await look();
  await accept('r2');
  await look();
  assert.equal((await store.read('r2'))?.status, 'queued');
});
