import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kvNeed, LoadMeter } from '@penstock/policy';
import { type Frame, NO_NONCE, sharedAddress, type WorkEnvelope, type WorkMeta } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import { workMeta } from '../../../libs/protocol/work-meta.fixture.ts';
import type { EngineHandlers } from '../engine/engine.ts';
import type { Attempt } from './attempt.ts';
import { RunningAttempts } from './running-attempts.ts';

const KEY = { region: 'eu', shard: 0, slug: 'm', lane: 'interactive', size: 'short' } as const;
const ADDRESS = sharedAddress(KEY, 'r1');
const META = workMeta({
  ...{ stream: true, promptTokens: 5000, maxTokens: 100 },
  held: { 'w-1': 4000, 'w-2': 5000 },
});
const READINGS = { running: 0, slots: 8, kvUse: null, kvCapacity: 100_000, errorRate: 0 };
const STOP = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n';
const WORD = 'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n';

function start() {
  const calls: { handlers: EngineHandlers; isAborted: boolean }[] = [];
  const heard: string[] = [];
  const frames: Frame[] = [];
  const attempts: Attempt[] = [];
  const meter = new LoadMeter();
  const running = new RunningAttempts({
    ...{ worker: 'w-1', incarnation: 'p1', meter },
    observers: [],
    tracing: null,
    limitsOf: () => ({ firstTokenMs: 120_000, betweenTokensMs: 300_000 }),
    bodies: { load: async () => null },
    engine: {
      run: (_path, _body, handlers) => {
        const call = { handlers, isAborted: false };
        calls.push(call);
        const abort = () => {
          call.isAborted = true;
        };
        return { abort };
      },
    },
    isModelLeaving: () => false,
    onFirstToken: () => void heard.push('first token'),
    onEnded: outcome => void heard.push(outcome),
    clock: { now: () => 250, monotonic: () => 0 },
    log: { warn() {} } as unknown as Logger,
  });
  const sink = {
    attach: (attempt: Attempt) => {
      assert.equal(frames.length, attempts.length, 'attached before anything is sent');
      attempts.push(attempt);
    },
    ready: (attempt: Attempt) => attempt.takeFrames(frames),
    release: () => void heard.push('released'),
  };
  const run = (meta: Partial<WorkMeta> = {}, number = 1, nonce = number) => {
    const work: WorkEnvelope = { meta: { ...META, ...meta }, body: Buffer.from('{}') };
    const delivery = { address: ADDRESS, data: work.body, ackSubject: 'ack', deliveryCount: 1 };
    running.run(delivery, work, { number, nonce }, null, sink);
  };
  const load = () => meter.load(READINGS, 0);
  return { running, calls, heard, frames, attempts, run, load, meter };
}

test('an attempt is reported as accepted, metered without what the cache holds, and gone when it is done', () => {
  const { running, calls, heard, frames, run, load, meter } = start();
  run();
  assert.equal(running.size, 1);
  assert.deepEqual(JSON.parse(frames[0]?.meta ?? ''), { ack: 'ack', waitMs: 250, incarnation: 'p1' });
  assert.equal(load().prefillBacklogTokens, 1000);
  assert.equal(load().kvFreeTokens, 100_000 - kvNeed(5000, 100));
  const { handlers } = calls[0] ?? assert.fail('the engine was not called');
  handlers.start(200, 'text/event-stream');
  handlers.data(Buffer.from(WORD));
  assert.equal(load().prefillBacklogTokens, 0);
  const before = meter.load(READINGS, 0).answerTokens;
  handlers.data(Buffer.from(`${STOP}data: {"usage":{"completion_tokens":9000}}\n\ndata: [DONE]\n\n`));
  assert.deepEqual(heard, ['first token', 'done']);
  assert.equal(running.size, 0);
  assert.equal(load().kvFreeTokens, 100_000);
  assert.ok(load().answerTokens > before, 'its length was learned');
});

test('a whole answer to a request for a stream says nothing of how fast prompts are computed', t => {
  const { calls, heard, run, load, meter } = start();
  run();
  const { handlers } = calls[0] ?? assert.fail('the engine was not called');
  handlers.start(200, 'application/json');
  handlers.data(Buffer.from('{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}'));
  const learned = t.mock.method(meter, 'firstToken');
  handlers.end();
  assert.deepEqual(heard, ['first token', 'done']);
  assert.deepEqual([learned.mock.callCount(), load().prefillBacklogTokens], [0, 0]);
});

test('a later attempt at a request supersedes the one that runs', () => {
  const { running, calls, heard, attempts, run, load } = start();
  run();
  run({}, 2);
  assert.deepEqual(heard, ['released', 'dropped']);
  assert.equal(calls[0]?.isAborted, true);
  assert.deepEqual([running.size, attempts.at(-1)?.number], [1, 2]);
  assert.equal(load().kvFreeTokens, 100_000 - kvNeed(5000, 100));
});

test('a cancel stops the attempts up to the one it names', () => {
  const { running, heard, frames, run } = start();
  run({}, 4, 7);
  running.cancel('r1', { number: 3, nonce: NO_NONCE });
  running.cancel('r2', { number: 9, nonce: NO_NONCE });
  assert.equal(running.size, 1);
  const sent = frames.length;
  running.cancel('r1', { number: 4, nonce: NO_NONCE });
  assert.equal(running.size, 0);
  assert.deepEqual(heard, ['released', 'dropped']);
  assert.equal(frames.length, sent);
});

test('a cancel with a nonce stops that attempt and no other, whatever their numbers', () => {
  const { running, heard, frames, run } = start();
  run({}, 1, 7);
  assert.deepEqual([running.has('r1'), running.has('r2'), frames[0]?.nonce], [true, false, 7]);
  running.cancel('r1', { number: 1, nonce: 6 });
  running.cancel('r1', { number: 9, nonce: 6 });
  assert.deepEqual(heard, []);
  running.cancel('r1', { number: 1, nonce: 7 });
  assert.deepEqual(heard, ['released', 'dropped']);
});

test('what is handed back fails in a way that any other worker may retry', () => {
  const { running, heard, frames, run } = start();
  run();
  run({ id: 'r2' });
  running.handBack();
  assert.equal(running.size, 0);
  const failed = frames.filter(frame => frame.kind === 'failed').map(frame => JSON.parse(frame.meta));
  assert.deepEqual(
    failed.map(({ code, retryable }) => [code, retryable]),
    Array(2).fill(['shutting_down', true]),
  );
  assert.ok(!heard.includes('failed'), "it is not the engine's fault");
});

test('a failure is reported as one', () => {
  const { running, calls, heard, run } = start();
  run();
  calls[0]?.handlers.error(new Error('reset'));
  assert.deepEqual([heard, running.size], [['failed'], 0]);
});
