import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { MAX_ATTEMPTS } from '@penstock/policy';
import { decodeEnvelope, type QueueAddress, type RunLogKind, type WorkEnvelope } from '@penstock/protocol';
import { DoneChannel, encodeRunMessage, newRun, RunAttempts, RunExpiry } from '@penstock/runs';
import { ByteBudget, type Logger } from '@penstock/runtime';
import { ClaimCheck, GivenSeals } from '@penstock/transport';
import { nth } from '@penstock/transport/contracts';
import {
  MemoryRequestBodies,
  MemoryRunLog,
  MemoryRunStore,
  MemoryWorkQueue,
} from '@penstock/transport/memory';
import { Attempt } from '../attempts/attempt.ts';
import { BodyLoader } from '../attempts/body-loader.ts';
import type { EngineHandlers } from '../engine/engine.ts';
import { StoredRuns } from './stored-runs.ts';

const KEY = { region: 'eu', shard: 0, slug: 'm', lane: 'background', size: 'any' } as const;
const ACK_WAIT_MS = 9000;
const INLINE_BYTES = 1000;
const ttl = { recordMs: 60_000, logMs: 60_000 };
const word = (content: string) => `data: {"choices":[{"delta":{"content":"${content}"}}]}\n\n`;
const WHOLE = '{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}';
const END = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';

/** Stored runs of one worker on in-memory adapters, with one delivered run whose engine the test plays. */
async function startRun(t: TestContext, log: RunLogKind, stream = log !== 'none') {
  t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
  const time = { now: 1000 };
  const clock = { now: () => time.now, monotonic: () => time.now };
  const queue = new MemoryWorkQueue(clock);
  const store = new MemoryRunStore(clock);
  const runLog = new MemoryRunLog(store);
  await queue.ensureWorkStream('eu', 0, { maxMessages: 10, maxBytes: 1_000_000 });
  await queue.ensureDeadStream('eu');
  await queue.ensureConsumer(KEY, { ackWaitMs: ACK_WAIT_MS });
  const bodies = new MemoryRequestBodies(clock);
  const claims = new ClaimCheck(bodies, INLINE_BYTES);
  const loader = new BodyLoader(bodies, new ByteBudget(1e6));
  const wires = { store, done: new DoneChannel(queue, 'eu'), ttl, clock, claims };
  const expiry = new RunExpiry(wires);
  const errors: string[] = [];
  const stored = new StoredRuns({
    ...{
      store,
      queue,
      clock,
      bodies,
      claims,
      log: runLog,
      worker: 'w-1',
      seals: new GivenSeals(null),
      ackWaitMs: ACK_WAIT_MS,
    },
    continuing: { canContinue: async () => true, countTokens: async () => null },
    attempts: new RunAttempts({ ...wires, expiry }),
    logger: {
      warn() {},
      error: (_about: object, text: string) => void errors.push(text),
    } as unknown as Logger,
  });
  const about = {
    id: 'r1',
    kind: 'response',
    detail: '',
    log,
    tenant: 't',
    endpoint: 'chat',
    model: 'm',
  } as const;
  const run = newRun({ ...about, queue: KEY, createdAt: 0, deadlineAt: 10_000 });
  await store.create(run, 60_000, null);
  const message = await encodeRunMessage(claims, run, {
    ...({ from: 'in-1', lane: 'background', size: 'any', stream, promptTokens: 5 } as const),
    ...{
      maxTokens: null,
      fleetRate: 0,
      body: Buffer.from('{"model":"m","messages":[{"role":"user","content":"Hi"}]}'),
    },
  });
  await queue.publish(run.address, message, { messageId: 'r1', ttlMs: 60_000 });
  const deliveries: { ackSubject: string; work: WorkEnvelope; address: QueueAddress }[] = [];
  const puller = queue.pull(KEY, ({ ackSubject, address, data }) =>
    deliveries.push({ ackSubject, address, work: decodeEnvelope(data) }),
  );
  puller.bid({ level: 0, batch: 10 });
  await settle();
  const [delivery = assert.fail('nothing was delivered')] = deliveries;

  /** Begins an attempt and runs it. @returns what the engine does, and what the attempt told. */
  const begin = async (number = 1) => {
    const beginning = await stored.begin(delivery.work, delivery.address, nth(number));
    if (beginning.kind !== 'begun') return assert.fail(beginning.kind);
    const engine: { handlers?: EngineHandlers; body?: string; isAborted?: boolean } = {};
    const attempt = new Attempt({
      ...{
        ...delivery,
        number,
        nonce: number,
        incarnation: 'p1',
        waitMs: 0,
        continuation: beginning.continuation,
      },
      ...{ clock, limits: { firstTokenMs: 120_000, betweenTokensMs: 300_000 } },
      hooks: {
        ready: source => stored.collect(source),
        firstToken() {},
        isModelLeaving: () => false,
        ended: (source, outcome) => void (outcome === 'dropped' && stored.release(source)),
      },
    });
    stored.attach(attempt, beginning.resumeState);
    attempt.start(
      {
        run: (_path, body, handlers) => {
          Object.assign(engine, { handlers, body: String(body) });
          const abort = () => {
            engine.isAborted = true;
          };
          return { abort };
        },
      },
      loader,
    );
    await settle();
    const { handlers = assert.fail('the engine was not called') } = engine;
    const say = async (text: string) => {
      handlers.data(Buffer.from(text));
      await settle();
    };
    if (stream) handlers.start(200, 'text/event-stream');
    return { engine, attempt, handlers, say, beginning };
  };
  const settlements = () => queue.settled.items.map(({ how }) => how);
  const record = async () => (await store.read('r1')) ?? assert.fail('the record is gone');
  return {
    ...{ stored, queue, store, runLog, expiry, time, run, begin, settlements, record, errors, delivery },
  };
}

/** Lets everything happen that waits for nothing but promises. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(resolve => setImmediate(resolve));
}

const doneHints = (queue: MemoryWorkQueue) =>
  queue.sent.items.filter(({ address }) => address.kind === 'run_ended').length;

test('an answer is in the record before its delivery is acked, and the end is announced', async t => {
  const { begin, settlements, record, queue, stored } = await startRun(t, 'none');
  const { handlers } = await begin();
  assert.equal((await record()).status, 'in_progress');
  handlers.start(200, 'application/json');
  handlers.data(Buffer.from(WHOLE));
  handlers.end();
  assert.equal(stored.pending, 1);
  await settle();
  const { status, result } = await record();
  assert.deepEqual([status, result?.status, result?.body.toString()], ['completed', 200, WHOLE]);
  assert.deepEqual([settlements(), doneHints(queue), stored.pending], [['ack'], 1, 0]);
});

test('the lease is renewed until the attempt is over', async t => {
  const { begin, settlements } = await startRun(t, 'none');
  const { handlers } = await begin();
  t.mock.timers.tick(ACK_WAIT_MS);
  assert.deepEqual(settlements(), ['progress', 'progress', 'progress']);
  handlers.start(200, 'application/json');
  handlers.data(Buffer.from(WHOLE));
  handlers.end();
  await settle();
  t.mock.timers.tick(ACK_WAIT_MS);
  assert.equal(settlements().at(-1), 'ack');
  assert.equal(settlements().length, 4);
});

test('a dropped attempt settles nothing and lets its lease run out', async t => {
  const { begin, settlements, record } = await startRun(t, 'none');
  const { attempt, engine } = await begin();
  attempt.drop();
  t.mock.timers.tick(ACK_WAIT_MS);
  await settle();
  assert.deepEqual([settlements(), engine.isAborted, (await record()).status], [[], true, 'in_progress']);
});

test('a failure hands the run back until no attempt is left: then it is dead, and its record says why', async t => {
  const { begin, settlements, record, queue } = await startRun(t, 'none');
  for (let number = 1; number <= MAX_ATTEMPTS; number++) {
    const { handlers } = await begin(number);
    handlers.error(new Error('reset'));
    await settle();
    const isLast = number === MAX_ATTEMPTS;
    assert.equal((await record()).status, isLast ? 'failed' : 'queued');
    assert.equal(settlements().at(-1), isLast ? 'term' : 'nak');
  }
  const [letter] = queue.deadLetters.items;
  assert.deepEqual([letter?.reason, letter?.subject], ['engine_error', 'dead.eu.m.r1']);
  assert.notEqual(letter?.message, '');
  assert.match((await record()).result?.body.toString() ?? '', /connection to the engine failed/);
  assert.equal(doneHints(queue), 1);
});

test('what cannot be helped by another attempt is final at once', async t => {
  const { begin, settlements, record } = await startRun(t, 'none');
  const { handlers } = await begin();
  handlers.error(Object.assign(new Error('too long'), { code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE' }));
  await settle();
  assert.deepEqual([(await record()).status, settlements()], ['failed', ['term']]);
});

test('a worker that shuts down hands the run back without counting a failure', async t => {
  const { begin, settlements, record } = await startRun(t, 'none');
  for (let number = 1; number <= MAX_ATTEMPTS + 1; number++) {
    const { attempt } = await begin(number);
    attempt.handBack();
    await settle();
  }
  assert.deepEqual([...new Set(settlements())], ['nak']);
  assert.equal((await record()).status, 'in_progress');
});

test('an engine without room hands the run back for as long as it asks, without counting a failure', async t => {
  const { begin, queue, record } = await startRun(t, 'none');
  for (let number = 1; number <= MAX_ATTEMPTS + 1; number++) {
    const { handlers } = await begin(number);
    handlers.start(429, 'application/json', 1500);
    handlers.data(Buffer.from('{"error":{"message":"no room"}}'));
    handlers.end();
    await settle();
  }
  const pauses = queue.settled.items.map(({ how, delayMs }) => [how, delayMs]);
  assert.deepEqual(pauses, Array(MAX_ATTEMPTS + 1).fill(['nak', 1500]));
  assert.equal((await record()).status, 'queued');
});

test('the last failure of the engine is reported with its message', async t => {
  const { begin, record } = await startRun(t, 'none');
  for (let number = 1; number <= MAX_ATTEMPTS; number++) {
    const { handlers } = await begin(number);
    handlers.start(500, 'application/json');
    handlers.data(Buffer.from('{"error":{"message":"CUDA is out of memory"}}'));
    handlers.end();
    await settle();
  }
  assert.match((await record()).result?.body.toString() ?? '', /CUDA is out of memory/);
});

test('a run that was cancelled meanwhile is neither answered nor acked', async t => {
  const { begin, settlements, record, store, run } = await startRun(t, 'none');
  const { handlers } = await begin();
  await store.cancel(run, 0, ttl);
  handlers.start(200, 'application/json');
  handlers.data(Buffer.from(WHOLE));
  handlers.end();
  await settle();
  assert.deepEqual([settlements(), (await record()).status], [[], 'cancelled']);
});

test('a late run is ended, a superseded attempt fenced, a final run gone', async t => {
  const { stored, delivery, time, record, queue } = await startRun(t, 'none');
  assert.deepEqual((await stored.begin(delivery.work, delivery.address, nth(3))).kind, 'begun');
  assert.deepEqual(await stored.begin(delivery.work, delivery.address, nth(2)), { kind: 'fenced' });
  time.now = 10_001;
  assert.deepEqual(await stored.begin(delivery.work, delivery.address, nth(4)), { kind: 'gone' });
  assert.deepEqual([(await record()).status, doneHints(queue)], ['failed', 1]);
});

/** An attempt that has its answer, before a store that does not take it. */
async function startRefused(t: TestContext) {
  const started = await startRun(t, 'none');
  const finish = t.mock.method(started.store, 'finish', async () => {
    throw new Error('OOM');
  });
  const { handlers } = await started.begin();
  handlers.start(200, 'application/json');
  handlers.data(Buffer.from(WHOLE));
  handlers.end();
  await settle();
  const pass = async (ms: number) => {
    started.time.now += ms;
    t.mock.timers.tick(ms);
    await settle();
  };
  return { ...started, finish, pass };
}

test('an answer that the store refuses is kept, under its lease, and acked once it is stored', async t => {
  const { settlements, record, errors, stored, finish, pass } = await startRefused(t);
  for (const pauseMs of [25, 50, 100]) await pass(pauseMs);
  assert.deepEqual([finish.mock.callCount(), settlements(), stored.pending], [4, [], 1]);
  await pass(ACK_WAIT_MS / 3);
  assert.deepEqual(settlements(), ['progress']);
  finish.mock.restore();
  await pass(1000);
  assert.equal((await record()).status, 'completed');
  assert.deepEqual([settlements(), errors, stored.pending], [['progress', 'ack'], [], 0]);
});

test('one that is refused until its time is over is not acked', async t => {
  const { run, settlements, errors, stored, time, pass } = await startRefused(t);
  time.now = run.deadlineAt;
  await pass(25);
  assert.deepEqual([settlements(), errors, stored.pending], [[], ['outcome not stored'], 0]);
});

test('a streamed response is logged while it is generated, and whole in its record', async t => {
  const { begin, settlements, record, runLog } = await startRun(t, 'deltas');
  const { say } = await begin();
  await say(word('One'));
  assert.equal((await runLog.peek('r1', 0, 9)).length, 1);
  await say(word(' two') + END);
  const { status, result } = await record();
  assert.deepEqual([status, settlements()], ['completed', ['ack']]);
  const { choices } = JSON.parse(result?.body.toString() ?? '{}');
  assert.equal(choices[0].message.content, 'One two');
  assert.equal((await runLog.peek('r1', 0, 9)).length, 2);
});

test('the next attempt at a response continues its text', async t => {
  const { begin, record } = await startRun(t, 'deltas');
  const first = await begin(1);
  await first.say(word('One'));
  first.handlers.error(new Error('reset'));
  await settle();
  const second = await begin(2);
  assert.deepEqual(JSON.parse(second.engine.body ?? '{}').messages.at(-1), {
    role: 'assistant',
    content: 'One',
  });
  await second.say(word(' two') + END);
  const { choices } = JSON.parse((await record()).result?.body.toString() ?? '{}');
  assert.equal(choices[0].message.content, 'One two');
});

test('an attempt whose log belongs to a later one is dropped', async t => {
  const { begin, store, settlements } = await startRun(t, 'deltas');
  const { say, engine } = await begin(1);
  await store.begin('r1', nth(2), 'w-2');
  await say(word('Late'));
  await say(word(' words') + END);
  assert.deepEqual([engine.isAborted, settlements()], [true, []]);
});

test('events that are not JSON fail the attempt, and another may follow', async t => {
  const { begin, settlements, record } = await startRun(t, 'deltas');
  const { say, engine } = await begin();
  await say('data: {"cho\n\n');
  assert.deepEqual([engine.isAborted, settlements(), (await record()).status], [true, ['nak'], 'queued']);
});

test('a stream of raw events is its own answer', async t => {
  const { begin, record, runLog } = await startRun(t, 'events');
  const { say } = await begin();
  await say(word('One'));
  await say(END);
  const { result } = await record();
  assert.deepEqual([result?.contentType, result?.body.length], ['text/event-stream; charset=utf-8', 0]);
  assert.equal(Buffer.concat([...(await runLog.peek('r1', 0, 9))]).toString(), word('One') + END);
});

test('work whose ingress is gone is looked for among the stored runs', async t => {
  const { stored, delivery, run } = await startRun(t, 'deltas');
  const meta = { ...delivery.work.meta, stored: false, deadlineAt: 5 };
  const found = await stored.asStored({ ...delivery.work, meta });
  assert.deepEqual(found?.meta, { ...meta, stored: true, log: 'deltas', deadlineAt: run.deadlineAt });
  assert.equal(await stored.asStored({ ...delivery.work, meta: { ...meta, id: 'r2' } }), null);
});

test('a run that no engine had room for keeps the last words of one for the error of its deadline', async t => {
  const { begin, settlements, record, expiry, run, time } = await startRun(t, 'none');
  for (const number of [1, 2, 3, 4]) {
    const { handlers } = await begin(number);
    handlers.start(503, 'application/json', 1000);
    handlers.data(Buffer.from('{"error":{"message":"the pool is drained for maintenance"}}'));
    handlers.end();
    await settle();
    assert.equal((await record()).status, 'queued', 'it runs nowhere');
  }
  assert.deepEqual(settlements(), ['nak', 'nak', 'nak', 'nak']);
  time.now = run.deadlineAt + 1;
  assert.equal(await expiry.end(run), true);
  const { result, status } = await record();
  assert.deepEqual([status, result?.status], ['failed', 504]);
  const { code, message } = JSON.parse(String(result?.body)).error;
  assert.equal(code, 'deadline_exceeded');
  assert.match(message, /The last attempt failed: .*\(503\): the pool is drained for maintenance$/);
});

test('an attempt that is not the current one any more gives nothing back', async t => {
  const { begin, settlements, store } = await startRun(t, 'none');
  const { handlers } = await begin();
  await store.begin('r1', nth(2), 'w-2');
  handlers.start(429, 'application/json', 1000);
  handlers.end();
  await settle();
  assert.deepEqual(settlements(), []);
});
