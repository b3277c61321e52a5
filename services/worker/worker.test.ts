import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { DEFAULT_BOUNDARIES } from '@penstock/policy';
import {
  decodePacket,
  encodeEnvelope,
  encodeMessage,
  type Frame,
  readHeartbeat,
  readModelInfo,
  sharedAddress,
  toModelSlug,
} from '@penstock/protocol';
import { DoneChannel, RunAttempts, RunExpiry } from '@penstock/runs';
import { ByteBudget, DroppedMessages, type Logger } from '@penstock/runtime';
import { ClaimCheck, GivenSeals } from '@penstock/transport';
import {
  MemoryModelRegistry,
  MemoryReplyBus,
  MemoryRequestBodies,
  MemoryRunLog,
  MemoryRunStore,
  MemoryWorkQueue,
} from '@penstock/transport/memory';
import { workMeta } from '../../libs/protocol/work-meta.fixture.ts';
import { BodyLoader } from './attempts/body-loader.ts';
import { Continuing } from './attempts/continuing.ts';
import type { EngineHandlers } from './engine/engine.ts';
import { StoredRuns } from './stored/stored-runs.ts';
import { Worker } from './worker.ts';

const MODEL = { name: 'chat', created: 1, ownedBy: 'org', architecture: null };
const KEY = {
  region: 'eu',
  shard: 0,
  slug: toModelSlug('chat'),
  lane: 'interactive',
  size: 'short',
} as const;
const log = { info() {}, warn() {}, error() {}, isLevelEnabled: () => false } as unknown as Logger;

const ANSWER = '{"choices":[{"message":{"content":"Hi"},"finish_reason":"length"}]}';

/** A whole worker of one slot on in-memory adapters, with an engine that the test plays. */
async function startWorker(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
  const time = { now: 1000 };
  const clock = { now: () => time.now, monotonic: () => time.now };
  const queue = new MemoryWorkQueue(clock);
  const bus = new MemoryReplyBus();
  const models = new MemoryModelRegistry();
  const store = new MemoryRunStore(clock);
  await queue.ensureWorkStream('eu', 0, { maxMessages: 10, maxBytes: 1_000_000 });
  const bodies = new MemoryRequestBodies(clock);
  const claims = new ClaimCheck(bodies, 1000);
  const seals = new GivenSeals(null);
  const life = {
    claims,
    store,
    clock,
    done: new DoneChannel(queue, 'eu'),
    ttl: { recordMs: 1000, logMs: 1000 },
  };
  const address = { region: 'eu', shard: 0, ackWaitMs: 10_000 };
  const calls: { handlers: EngineHandlers; isAborted: boolean }[] = [];
  const engineOf = { ask: async () => ({ status: 200, body: Buffer.from(ANSWER) }) };
  const continuing = new Continuing({ engine: engineOf, configured: () => true, log });
  const worker = new Worker({
    continuing,
    ...{
      id: 'w-1',
      incarnation: 'p1',
      slots: 1,
      architecture: null,
      serves: () => true,
      mostModels: 9,
      listEveryMs: 10_000,
      tickMs: 10,
    },
    ...{ boundaries: DEFAULT_BOUNDARIES, queue, bus, models, clock, log, ...address },
    dropped: new DroppedMessages(),
    observers: [],
    tracing: null,
    limitsOf: () => ({ firstTokenMs: 120_000, betweenTokensMs: 300_000 }),
    bodies: new BodyLoader(bodies, new ByteBudget(1e6)),
    engine: {
      ...engineOf,
      healthy: async () => true,
      gauges: async () => null,
      endpoints: async () => ['chat'],
      models: async () => [MODEL],
      slotLimit: async () => null,
      run: (_path, _body, handlers) => {
        const call = { handlers, isAborted: false };
        calls.push(call);
        const abort = () => {
          call.isAborted = true;
        };
        return { abort };
      },
    },
    seals,
    stored: new StoredRuns({
      ...{
        bodies,
        claims,
        seals,
        continuing,
        store,
        queue,
        clock,
        logger: log,
        log: new MemoryRunLog(store),
        worker: 'w-1',
        ...address,
      },
      attempts: new RunAttempts({ ...life, expiry: new RunExpiry(life) }),
    }),
  });
  worker.start();
  await pass(t, time, 10);
  const publish = async (id: string) => {
    const { slug, lane, size } = KEY;
    const meta = workMeta({
      ...{ id, model: 'chat', slug, lane, size, stream: true },
      ...{ promptTokens: 5, acceptedAt: time.now, deadlineAt: time.now + 60_000 },
    });
    const body = encodeEnvelope(meta, Buffer.from('{}'));
    await queue.publish(sharedAddress(KEY, id), body, { messageId: id, ttlMs: 60_000 });
    await pass(t, time, 10);
  };
  const frames = (): Frame[] => bus.packets.items.flatMap(({ packet }) => decodePacket(packet).frames);
  const beats = () =>
    queue.sent.items
      .filter(({ address }) => address.kind === 'heartbeat')
      .map(({ payload }) => readHeartbeat(payload, 'w-1'));
  return {
    worker,
    queue,
    bus,
    models,
    calls,
    publish,
    frames,
    beats,
    pass: (ms: number) => pass(t, time, ms),
  };
}

/** Lets time pass, and everything happen that waits for it or for nothing but promises. */
async function pass(t: TestContext, time: { now: number }, ms: number): Promise<void> {
  for (let i = 0; i < ms; i++) {
    time.now++;
    t.mock.timers.tick(1);
    for (let turns = 0; turns < 3; turns++) await new Promise(resolve => setImmediate(resolve));
  }
}

const kinds = (frames: readonly Frame[]) => frames.map(({ id, kind }) => `${id} ${kind}`);

test('a worker announces its models, takes work, and answers the ingress that waits', async t => {
  const { models, calls, publish, frames, beats, worker } = await startWorker(t);
  const [announced] = (await models.list('eu')).map(info => readModelInfo(info));
  assert.equal(announced?.name, 'chat');
  assert.deepEqual(beats().at(-1)?.models, [announced]);
  await publish('r1');
  const { handlers } = calls[0] ?? assert.fail('nothing runs');
  assert.equal(worker.running, 1);
  handlers.start(200, 'text/event-stream');
  handlers.data(
    Buffer.from('data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'),
  );
  await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual(kinds(frames()), ['r1 accepted', 'r1 end']);
  assert.equal(worker.running, 0);
});

test('a full worker leaves work in the queue, and takes it when a slot is free', async t => {
  const { calls, publish, queue, pass } = await startWorker(t);
  await publish('r1');
  await publish('r2');
  assert.deepEqual([calls.length, queue.queued.length], [1, 2]);
  calls[0]?.handlers.error(new Error('reset'));
  await pass(30);
  assert.equal(calls.length, 2);
});

test('a cancel on the control channel stops the engine', async t => {
  const { calls, publish, queue, worker, pass } = await startWorker(t);
  await publish('r1');
  queue.send({ kind: 'worker', worker: 'w-1' }, encodeMessage({ cancel: 'r1', attempt: 1 }));
  await pass(1);
  assert.deepEqual([calls[0]?.isAborted, worker.running], [true, 0]);
});

test('a worker that an operator drains takes nothing new and finishes what runs, until it is told to go on', async t => {
  const { calls, publish, queue, beats, pass } = await startWorker(t);
  const order = (drain: boolean) => queue.send({ kind: 'worker', worker: 'w-1' }, encodeMessage({ drain }));
  await publish('r1');
  order(true);
  await pass(1);
  assert.deepEqual(
    [beats().at(-1)?.pulling, beats().at(-1)?.report?.bids['interactive_short']],
    [false, 'full'],
  );
  calls[0]?.handlers.error(new Error('reset'));
  await publish('r2');
  await pass(1000);
  assert.equal(calls.length, 1);
  assert.equal(beats().at(-1)?.report?.bids['interactive_short'], 'draining');
  order(false);
  await pass(1000);
  assert.equal(calls.length, 2);
});

test('while the reply bus cannot take what is sent, nothing new is taken', async t => {
  const { bus, publish, calls, pass } = await startWorker(t);
  bus.hold();
  void bus.publish('in-1', Buffer.alloc(65 * 1024 * 1024));
  await pass(1000);
  await publish('r1');
  assert.equal(calls.length, 0);
  bus.release();
  await pass(1010);
  assert.equal(calls.length, 1);
});

test('a long answer on its way leaves its slot to others, and is sent no further once nobody wants it', async t => {
  const { worker, bus, queue, publish, calls, frames, pass } = await startWorker(t);
  await publish('r1');
  bus.hold();
  const choice = { delta: { content: 'x'.repeat(2_000_000) }, finish_reason: 'stop' };
  calls[0]?.handlers.start(200, 'text/event-stream');
  calls[0]?.handlers.data(Buffer.from(`data: ${JSON.stringify({ choices: [choice] })}\n\ndata: [DONE]\n\n`));
  await pass(10);
  assert.equal(worker.running, 0);
  assert.ok(worker.pendingReplyBytes > 1_900_000, 'what is not sent is waited for at the end of a process');
  await publish('r2');
  assert.equal(calls.length, 2);
  queue.send({ kind: 'worker', worker: 'w-1' }, encodeMessage({ cancel: 'r1', attempt: 1 }));
  await pass(10);
  bus.release();
  await pass(10);
  assert.deepEqual([...new Set(kinds(frames()))], ['r1 accepted', 'r1 part', 'r2 accepted']);
  assert.equal(worker.pendingReplyBytes, 0);
});

test('a worker that is cut off from Redis says so and leaves work to others, until it is back', async t => {
  const { bus, publish, queue, calls, beats, pass } = await startWorker(t);
  bus.connected = false;
  await pass(1);
  assert.deepEqual([beats().at(-1)?.pulling, beats().at(-1)?.report?.resting], [false, 'cut_off']);
  await publish('r1');
  await pass(1000);
  assert.deepEqual([calls.length, queue.queued.length], [0, 1]);
  assert.equal(beats().at(-1)?.report?.bids['interactive_short'], 'sick');
  bus.connected = true;
  await pass(10);
  assert.deepEqual([calls.length, beats().at(-1)?.pulling], [1, true]);
});

test('a worker that drains takes nothing new, finishes or hands back what runs, and says goodbye', async t => {
  const { worker, calls, publish, queue, frames, beats, pass } = await startWorker(t);
  await publish('r1');
  await worker.drain();
  assert.equal(beats().at(-1)?.pulling, false);
  await publish('r2');
  assert.equal(calls.length, 1);
  worker.handBack();
  assert.equal(worker.running, 0);
  worker.leave();
  await pass(1);
  assert.deepEqual(kinds(frames()), ['r1 accepted', 'r1 failed']);
  assert.equal(beats().at(-1)?.leaving, true);
  assert.equal(queue.queued.length, 2, 'the ingress settles r1, another worker takes r2');
  const sent = beats().length;
  await pass(3000);
  assert.equal(beats().length, sent);
});
