import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_NONCE } from '@penstock/protocol';
import { isWanted } from './holder.ts';
import type { OpenRequest } from './open-request.ts';
import { asked, content, failure, frame, kinds, on, queued, running, toW1 } from './transition.fixture.ts';

/** The broker has forgotten that it had delivered the message: another attempt has the number that is taken. */
const accepted = (nonce: number, attempt = 1) =>
  frame('accepted', 0, { attempt, nonce, meta: { ack: `ack-${attempt}-${nonce}`, waitMs: 5 } });
const said = (seq: number, text: string, nonce: number, attempt = 1) =>
  frame('events', seq, { attempt, nonce, body: content(text) });
const stop = (worker: string, nonce: number, number = 1) => ({
  ...{ kind: 'stop_worker', worker, attempt: { number, nonce } },
});
const answer = (kind: string) => ({ kind: 'answer', answer: { kind } });

function shown(change: Parameters<typeof running>[0] = {}): OpenRequest {
  const request = running(change);
  on(request, said(1, 'One', 1));
  return request;
}

for (const [name, worker] of [
  ['another worker', 'w-2'],
  ['another process or attempt of its worker', 'w-1'],
] as const)
  test(`of two attempts of one number the first that was accepted is shown, not that of ${name}`, () => {
    const request = shown();
    assert.deepEqual(on(request, accepted(2), worker), [{ kind: 'count_fenced' }, stop(worker, 2)]);
    assert.deepEqual(kinds(on(request, said(1, 'Uno', 2), worker)), ['count_fenced']);
    assert.deepEqual(kinds(on(request, said(2, ' dos', 2), worker)), ['count_fenced']);
    assert.deepEqual(kinds(on(request, said(2, ' two', 1))), ['show']);
    assert.deepEqual(kinds(on(request, frame('end', 3, { nonce: 2 }), worker)), ['count_fenced']);
    assert.deepEqual(kinds(on(request, frame('failed', 3, { nonce: 2, ...failure(false) }), worker)), [
      'count_fenced',
    ]);
    assert.equal(request.shownText.read()?.text, 'One two');
    assert.deepEqual([request.starts, request.failures, request.running?.nonce], [1, 0, 1]);
  });

test('workers without nonces are told apart by their names', () => {
  const request = queued();
  on(request, accepted(NO_NONCE));
  on(request, said(1, 'One', NO_NONCE));
  assert.deepEqual(kinds(on(request, accepted(NO_NONCE), 'w-2')), ['count_fenced', 'stop_worker']);
  assert.deepEqual(kinds(on(request, said(2, 'dos', NO_NONCE), 'w-2')), ['count_fenced']);
  assert.deepEqual(kinds(on(request, said(2, ' two', NO_NONCE))), ['show']);
});

test('the delivery of an attempt that is stopped is settled with the one that runs', () => {
  const request = shown();
  on(request, accepted(2), 'w-2');
  assert.equal(request.running?.ack, 'ack-1-2', 'the broker may have forgotten the first');
  assert.deepEqual(on(request, { kind: 'worker_lost' }, '').slice(1), [
    stop('w-1', 1),
    { kind: 'nak', ack: 'ack-1-2', delayMs: 0 },
  ]);
});

test('a question about a request that runs is told so, whatever its number, and disturbs nothing', () => {
  for (const attempt of [1, 2]) {
    const request = shown();
    assert.deepEqual(on(request, asked(attempt, 9), 'w-2'), [answer('held')]);
    assert.equal(request.running?.ack, `ack-${attempt}-9`);
    assert.deepEqual(kinds(on(request, said(2, ' two', 1))), ['show']);
  }
  const old = { kind: 'asked', nonce: NO_NONCE, ack: null } as const;
  assert.deepEqual(on(shown(), { ...old, attempt: 1 }, 'w-2'), [answer('held')]);
  assert.deepEqual(kinds(on(shown(), { ...old, attempt: 2 }, 'w-2')), ['stop_worker', 'answer']);
});

test('who was told to run holds the request until another asks: it may have been handed back', () => {
  const request = queued();
  assert.deepEqual(on(request, asked(2, 5), 'w-2'), [answer('start')]);
  assert.deepEqual(kinds(on(request, accepted(4), 'w-1')), ['count_fenced', 'stop_worker']);
  assert.deepEqual(on(request, asked(2, 5), 'w-2'), [answer('start')], 'the same once more');
  assert.deepEqual(on(request, asked(2, 6), 'w-3'), [stop('w-2', 5, 2), answer('start')]);
  assert.deepEqual(kinds(on(request, accepted(5, 2), 'w-2')), ['count_fenced', 'stop_worker']);
  assert.deepEqual(kinds(on(request, accepted(6, 2), 'w-3')), ['record_placement']);
  assert.deepEqual(kinds(on(request, said(1, 'One', 6, 2), 'w-3')), ['first_token', 'show']);
});

test('a request that failed may run under a number that was used, for the broker has forgotten how far it was', () => {
  const request = running();
  on(request, frame('failed', 1, failure(true)));
  on(request, accepted(2, 2), 'w-2');
  on(request, frame('failed', 1, { attempt: 2, ...failure(true) }), 'w-2');
  assert.deepEqual(kinds(on(request, accepted(3), 'w-3')), ['record_placement']);
  assert.deepEqual(kinds(on(request, accepted(1))), ['count_fenced', 'stop_worker'], 'sent twice');
  assert.deepEqual(kinds(on(request, said(1, 'One', 3), 'w-3')), ['first_token', 'show']);
  on(request, { kind: 'worker_lost' }, '');
  assert.equal(request.attempt, 4, 'numbers never go back');
  assert.deepEqual(kinds(on(request, said(2, ' two', 3), 'w-3')), ['count_fenced']);
  assert.equal(kinds(on(request, asked(2, 8), 'w-1')).at(-1), 'answer');
  assert.deepEqual([request.running?.number, request.running?.nonce], [2, 8]);
  assert.deepEqual(kinds(on(request, said(0, ' two', 8, 2), 'w-1')), ['show']);
});

test('what has ended stays fenced under whatever number its frames come', () => {
  const request = running();
  on(request, frame('failed', 1, failure(true)));
  assert.deepEqual(kinds(on(request, accepted(1))), ['count_fenced', 'stop_worker']);
  assert.deepEqual(kinds(on(request, frame('failed', 1, failure(true)))), ['count_fenced']);
  assert.equal(request.failures, 1);
});

test('an attempt that did not ask is sent back where the client has a part of the answer, and asks then', () => {
  const request = shown();
  on(request, { kind: 'worker_lost' }, '');
  assert.deepEqual(on(request, accepted(2), 'w-2'), [
    { kind: 'count_fenced' },
    stop('w-2', 2),
    { kind: 'nak', ack: 'ack-1-2', delayMs: 0 },
  ]);
  assert.deepEqual(kinds(on(request, said(1, 'One', 2), 'w-2')), ['count_fenced']);
  const effects = on(request, asked(2, 3), 'w-2');
  assert.equal(effects.find(effect => effect.kind === 'answer')?.answer.kind, 'continue');
});

test('what comes of a subject that the request has left is fenced, and its delivery not used', () => {
  const request = queued({ bound: toW1 });
  on(request, { kind: 'not_taken' });
  assert.deepEqual(kinds(on(request, accepted(2))), ['count_fenced', 'stop_worker']);
  assert.deepEqual(on(request, asked(2, 3)), [answer('gone')]);
  on(request, accepted(4, 1025), 'w-2');
  on(request, accepted(2));
  assert.equal(request.running?.ack, 'ack-1025-4');
});

test('an attempt is wanted while it holds the request, and while it may still be told of', () => {
  const wanted = (request: OpenRequest, nonce: number, number = 1, worker = 'w-1') =>
    isWanted(request, worker, { number, nonce });
  const holder = shown();
  assert.deepEqual([wanted(holder, 1), wanted(holder, 2), wanted(holder, 1, 1, 'w-2')], [true, false, false]);
  // Its first frame is on the way.
  assert.equal(wanted(queued(), 5), true);
  on(holder, frame('failed', 2, failure(true)));
  assert.equal(wanted(holder, 1), false, 'it has ended');
  // The client has part of the answer: the next attempt asks first, and holds the request from then on.
  assert.equal(wanted(holder, 3, 2), false);
  on(holder, asked(2, 3), 'w-2');
  assert.equal(wanted(holder, 3, 2, 'w-2'), true);
});
