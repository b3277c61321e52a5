import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NewRequest } from './open-request.ts';
import {
  ACCEPTED,
  ADDRESS,
  asked,
  content,
  conversion,
  failure,
  frame,
  kinds,
  on,
  queued,
  running,
  toW1,
} from './transition.fixture.ts';
import type { RequestEvent } from './transition.ts';

test('a frame of an older attempt changes nothing, and who accepts with one is stopped', () => {
  const request = running();
  on(request, frame('failed', 1, failure(true)));
  const before = { ...request };
  assert.deepEqual(kinds(on(request, frame('events', 2, { body: 'late' }))), ['count_fenced']);
  assert.deepEqual(on(request, ACCEPTED), [
    { kind: 'count_fenced' },
    { kind: 'stop_worker', worker: 'w-1', attempt: { number: 1, nonce: 1 } },
  ]);
  assert.deepEqual({ ...request }, before);
});

test('an accepted request is running, and others learn who has it', () => {
  const request = queued();
  assert.deepEqual(on(request, ACCEPTED, 'w-1', 50), [
    { kind: 'record_placement', worker: 'w-1', incarnation: 'p1' },
  ]);
  assert.deepEqual(request.running, {
    ...{ worker: 'w-1', number: 1, nonce: 1, incarnation: 'p1', ack: 'ack-1', waitMs: 5 },
  });
  assert.deepEqual([request.attempt, request.starts, request.leaseAt], [1, 1, 50]);
});

test('a frame of a newer attempt at a queued request raises the fence', () => {
  const request = running();
  on(request, frame('failed', 1, failure(true)));
  on(request, { ...ACCEPTED, attempt: 2, nonce: 2 }, 'w-2');
  assert.deepEqual([request.attempt, request.starts, request.running?.worker], [2, 2, 'w-2']);
  assert.deepEqual(kinds(on(request, frame('events', 1))), ['count_fenced']);
});

test('events are shown once each, and nothing is made anew for them', () => {
  const request = running();
  assert.deepEqual(kinds(on(request, frame('events', 1, { body: content('a') }))), ['first_token', 'show']);
  const second = on(request, frame('events', 2, { body: content('b') }));
  assert.deepEqual(kinds(second), ['show']);
  assert.equal(second, on(request, frame('events', 3, { body: content('c') })));
  assert.deepEqual(on(request, frame('events', 2, { body: content('b') })), [], 'seen before');
  assert.equal(request.shownText.read()?.text, 'abc');
});

test('parts are kept for the next frame of their attempt alone, and no longer than it has', () => {
  const request = running();
  const part = (seq: number, body = 'x', attempt = 1) => frame('part', seq, { body, attempt });
  assert.deepEqual(on(request, part(1)), []);
  assert.deepEqual(kinds(on(request, part(2, 'y', 2), 'w-2')), ['count_fenced']);
  assert.deepEqual(request.parts.map(String), ['x']);
  on(request, frame('failed', 2, failure(true)));
  assert.deepEqual(request.parts, []);
  on(request, { ...ACCEPTED, attempt: 2, nonce: 2 }, 'w-2');
  on(request, part(1, 'z', 2), 'w-2');
  assert.deepEqual(request.parts.map(String), ['z']);
});

test('an answer whose parts never end is refused', () => {
  const request = running();
  const part = { ...frame('part', 1), body: Buffer.alloc(20 * 1024 * 1024) };
  for (let seq = 1; seq <= 3; seq++) assert.deepEqual(on(request, { ...part, seq }), []);
  assert.deepEqual(kinds(on(request, { ...part, seq: 4 })), [
    ...['stop_worker', 'count_retry', 'forget', 'count_finished', 'give_up'],
  ]);
});

test('a frame out of sequence fails the attempt and stops its worker', () => {
  const request = running();
  const effects = on(request, frame('events', 2));
  assert.deepEqual(kinds(effects), ['stop_worker', 'count_retry', 'nak']);
  assert.equal(request.running, null);
});

test('a frame of which no reply can be made fails the attempt; a whole answer is asked for again', () => {
  const unusable = (retryable: boolean) => kinds(on(running(), { kind: 'unusable', retryable }));
  assert.deepEqual(unusable(true), ['stop_worker', 'count_retry', 'nak']);
  assert.deepEqual(unusable(false), ['stop_worker', 'count_retry', 'forget', 'count_finished', 'give_up']);
});

test('an answer is shown, then the request is forgotten, then its delivery acked', () => {
  const answered = ['record_usage', 'forget', 'ack', 'count_finished'];
  const streamed = running();
  on(streamed, frame('events', 1));
  assert.deepEqual(kinds(on(streamed, frame('end', 2))), ['show_end', ...answered]);
  assert.deepEqual(kinds(on(running(), frame('end', 1))), ['first_token', 'show_end', ...answered]);
  assert.deepEqual(kinds(on(running(), frame('result', 1))), ['first_token', 'show_result', ...answered]);
});

test('the answer of a converted call is stored, and not acked before', () => {
  const request = running();
  request.converted = conversion;
  const effects = kinds(on(request, frame('result', 1)));
  assert.deepEqual(effects, ['first_token', 'record_usage', 'forget', 'count_finished', 'store_result']);
});

test('a failed attempt that may be tried again goes back to the queue, fenced', () => {
  const request = running();
  const effects = on(request, frame('failed', 1, failure(true)));
  assert.deepEqual(effects, [
    { kind: 'count_retry', reason: 'attempts_left' },
    { kind: 'nak', ack: 'ack-1', delayMs: 25 },
  ]);
  assert.deepEqual([request.running, request.attempt, request.failures], [null, 2, 1]);
});

test('a worker that is lost is told to stop, and another one tries at once', () => {
  const effects = on(running(), { kind: 'worker_lost' }, '');
  assert.deepEqual(effects, [
    { kind: 'count_retry', reason: 'worker_lost' },
    { kind: 'stop_worker', worker: 'w-1', attempt: { number: 1, nonce: 1 } },
    { kind: 'nak', ack: 'ack-1', delayMs: 0 },
  ]);
});

test('a bound request that failed moves to the shared subject', () => {
  const own = { ...ADDRESS, worker: 'w-1' };
  const request = running({ bound: toW1, address: own });
  const effects = on(request, frame('failed', 1, failure(true)));
  assert.deepEqual(effects.slice(1), [
    { kind: 'count_moved', reason: 'failed' },
    { kind: 'move', bound: toW1, from: own },
  ]);
  assert.deepEqual([request.address, request.bound, request.attempt], [ADDRESS, null, 1024]);
});

test('a converted call that failed is handed over to the queue', () => {
  const request = running();
  request.converted = conversion;
  assert.deepEqual(kinds(on(request, frame('failed', 1, failure(true)))), [
    'count_retry',
    'forget',
    'hand_over',
  ]);
});

test('a failure that cannot be tried again gives the request up', () => {
  const effects = on(running(), frame('failed', 1, failure(false)));
  assert.deepEqual(kinds(effects), ['count_retry', 'forget', 'count_finished', 'give_up']);
  const last = effects.at(-1);
  assert.ok(last?.kind === 'give_up');
  assert.deepEqual([last.reason, last.ack, last.worker], ['final_error', 'ack-1', 'w-1']);
});

test('what was shown is continued where that is possible, and given up where it is not', () => {
  const interrupted = (change: Partial<NewRequest> = {}) => {
    const request = running(change);
    on(request, frame('events', 1, { body: content('a') }));
    request.running = null;
    return request;
  };
  const shown = {
    ...{ text: 'a', chunks: 1, chunkId: 'c1', created: 7 },
    ...{ tokens: null, promptTokens: null, finish: null },
  };
  assert.deepEqual(on(interrupted(), asked(2)), [{ kind: 'answer', answer: { kind: 'continue', ...shown } }]);
  const effects = on(interrupted({ continuable: false }), asked(2));
  assert.deepEqual(kinds(effects), ['forget', 'count_finished', 'give_up', 'answer']);
});

test('a lease that is due is renewed', () => {
  const request = running();
  assert.deepEqual(kinds(on(request, { kind: 'lease_due' }, '', 4000)), ['renew_lease']);
  assert.equal(request.leaseAt, 4000);
});

test('a bound request that is not taken in time is moved, and its worker suspect', () => {
  const request = queued({ bound: toW1 });
  assert.deepEqual(on(request, { kind: 'not_taken' }), [
    { kind: 'suspect', worker: 'w-1' },
    { kind: 'count_moved', reason: 'not_taken' },
    { kind: 'move', bound: toW1, from: ADDRESS },
  ]);
  assert.deepEqual(on(request, { kind: 'not_taken' }), [], 'it is not bound any more');
  assert.deepEqual(on(running({ bound: toW1 }), { kind: 'not_taken' }), [], 'it was taken');
});

test('what is bound to a worker that takes nothing new is moved at once', () => {
  const leaves: RequestEvent = { kind: 'worker_leaves' };
  assert.deepEqual(kinds(on(queued({ bound: toW1 }), leaves)), ['count_moved', 'move']);
  assert.deepEqual(on(queued({ bound: toW1 }), leaves, 'w-2'), []);
  assert.deepEqual(on(queued(), leaves), []);
});

test('a request that is stranded in its shard leaves it, unless it runs or waits for one worker', () => {
  assert.deepEqual(kinds(on(queued(), { kind: 'stranded' })), ['leave_shard']);
  assert.deepEqual(on(running(), { kind: 'stranded' }), []);
  assert.deepEqual(on(queued({ bound: toW1 }), { kind: 'stranded' }), []);
});

test('what waits for a model that was unloaded everywhere is told so; what runs goes on', () => {
  const request = queued();
  const effects = on(request, { kind: 'model_left' });
  assert.deepEqual(kinds(effects).slice(-2), ['count_finished', 'show_error']);
  assert.ok(kinds(effects).includes('purge') && kinds(effects).includes('forget'));
  const told = effects.at(-1) as { error: { code: string; status: number } };
  assert.deepEqual([told.error.code, told.error.status], ['model_not_found', 404]);
  assert.deepEqual(on(running(), { kind: 'model_left' }), []);
});

test('what waits for an endpoint that no engine has any more is told so, in words of its own', () => {
  const effects = on(queued(), { kind: 'endpoint_left' });
  assert.deepEqual(kinds(effects).slice(-2), ['count_finished', 'show_error']);
  const told = effects.at(-1) as { error: { code: string; status: number; message: string } };
  assert.deepEqual([told.error.code, told.error.status], ['endpoint_not_found', 404]);
  assert.match(told.error.message, /replaced/);
  assert.deepEqual(on(running(), { kind: 'endpoint_left' }), []);
});

test('a call that is held for too long is converted once, or refused where nothing may be stored', () => {
  const request = queued({ conversion });
  assert.deepEqual(on(request, { kind: 'held_too_long' }), [{ kind: 'convert', conversion }]);
  assert.deepEqual(on(request, { kind: 'held_too_long' }), []);
  const refused = on(queued({ conversion: 'refuse' }), { kind: 'held_too_long' });
  assert.deepEqual(kinds(refused), ['forget', 'purge', 'show_error']);
});

test('a request that ends otherwise is purged, its worker stopped, and a client that still waits gets the reason', () => {
  const stop = ['forget', 'purge', 'stop_worker'];
  const error = {} as Extract<RequestEvent, { kind: 'unqueued' }>['error'];
  const ended = (event: RequestEvent, isConverted = false) => {
    const request = running();
    if (isConverted) request.converted = conversion;
    return kinds(on(request, event));
  };
  assert.deepEqual(ended({ kind: 'cancelled' }), stop);
  assert.deepEqual(ended({ kind: 'client_left' }), stop);
  assert.deepEqual(ended({ kind: 'client_left' }, true), [...stop, 'undo_conversion']);
  assert.deepEqual(ended({ kind: 'run_ended' }), [], 'not of this call');
  assert.deepEqual(ended({ kind: 'run_ended' }, true), stop);
  assert.deepEqual(ended({ kind: 'deadline' }), [...stop, 'count_finished', 'show_error']);
  assert.deepEqual(ended({ kind: 'deadline' }, true), [...stop, 'count_finished', 'store_error']);
  const unqueued: RequestEvent = { kind: 'unqueued', error };
  assert.deepEqual(ended(unqueued), [], 'a worker was handed it, so it is queued');
  assert.deepEqual(kinds(on(queued(), unqueued)), ['forget', 'purge', 'show_error']);
  const converted = Object.assign(queued(), { converted: conversion });
  assert.deepEqual(kinds(on(converted, unqueued)), ['forget', 'purge', 'store_error']);
  assert.deepEqual(ended({ kind: 'drained' }), [...stop, 'show_error']);
  assert.deepEqual(ended({ kind: 'drained' }, true), ['stop_worker', 'forget', 'hand_over']);
  assert.deepEqual(kinds(on(queued(), { kind: 'cancelled' })), ['forget', 'purge'], 'nobody to stop');
});

test('nothing happens to a request that is gone', () => {
  const request = running({ bound: toW1, conversion });
  request.gone = true;
  const events: RequestEvent[] = [
    frame('end', 1),
    { kind: 'worker_lost' },
    { kind: 'not_taken' },
    { kind: 'held_too_long' },
    { kind: 'deadline' },
  ];
  for (const event of events) assert.deepEqual(on(request, event), []);
});

test('an engine without room costs neither an attempt nor a failure, however often', () => {
  const busy = { meta: { code: 'engine_error', message: 'no room', retryable: true, busyMs: 1500 } };
  const request = queued();
  for (let attempt = 1; attempt <= 10; attempt++) {
    on(request, frame('accepted', 0, { attempt, meta: { ack: `ack-${attempt}` } }));
    assert.deepEqual(on(request, frame('failed', 1, { attempt, ...busy })), [
      { kind: 'count_retry', reason: 'busy' },
      { kind: 'nak', ack: `ack-${attempt}`, delayMs: 1500 },
    ]);
  }
  assert.deepEqual([request.failures, request.starts, request.running], [0, 0, null]);
  const bound = running({ bound: toW1 });
  assert.deepEqual(kinds(on(bound, frame('failed', 1, busy))), ['count_retry', 'count_moved', 'move']);
});

test('a stream that was shown in part waits for room only where another engine can go on with it', () => {
  const busy = { meta: { code: 'engine_error', message: 'no room', retryable: true, busyMs: 1500 } };
  for (const continuable of [true, false]) {
    const request = running({ continuable });
    on(request, frame('events', 1, { body: content('One') }));
    const effects = kinds(on(request, frame('failed', 2, busy)));
    assert.deepEqual(
      effects,
      continuable ? ['count_retry', 'nak'] : ['count_retry', 'forget', 'count_finished', 'give_up'],
    );
  }
});

test('a stream that flows has no deadline, and one that was interrupted has as long again to go on', () => {
  const request = queued({ deadlineAt: 3000 });
  assert.equal(request.endsAt, 3000);
  on(request, ACCEPTED, 'w-1', 2000);
  assert.equal(request.endsAt, 3000, 'it waits for its first token');
  on(request, frame('events', 1, { body: content('One') }), 'w-1', 2500);
  assert.equal(request.endsAt, Number.POSITIVE_INFINITY);
  assert.deepEqual(kinds(on(request, { kind: 'worker_lost' }, 'w-1', 50_000)), [
    'count_retry',
    'stop_worker',
    'nak',
  ]);
  assert.equal(request.endsAt, 53_000);
  on(request, asked(2), 'w-2', 51_000);
  on(request, frame('events', 0, { attempt: 2, body: content(' two') }), 'w-2', 52_000);
  assert.equal(request.endsAt, Number.POSITIVE_INFINITY);
  on(request, asked(3), 'w-1', 60_000);
  assert.equal(request.endsAt, 63_000, 'another worker has it, and nobody said why');
});

test('a stream that fails when the broker has forgotten its request is given up', () => {
  const request = running({ deadlineAt: 3000 });
  on(request, frame('events', 1, { body: content('One') }));
  const effects = on(request, frame('failed', 2, failure(true)), 'w-1', request.keptUntil);
  assert.equal(effects.find(effect => effect.kind === 'give_up')?.reason, 'deadline');
});

test('an answer in one piece has its deadline, and the error names the last failure', () => {
  const request = running({ streamed: false, deadlineAt: 3000 });
  const meta = { code: 'engine_error', message: 'no room: queue of 9', retryable: true, busyMs: 500 };
  on(request, frame('failed', 1, { meta }), 'w-1', 100);
  assert.equal(request.endsAt, 3000);
  const told = on(request, { kind: 'deadline' }, '', 3000).find(effect => effect.kind === 'show_error');
  assert.match(told?.error.message ?? '', /time limit\..* The last attempt failed: no room: queue of 9/);
});
