import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTrailSampled, type TrailEvent, trailEventSchema, trailStateOf } from './trail.ts';
import { trailInWords } from './trail-words.ts';

const EVENTS: TrailEvent[] = [
  {
    ...{ kind: 'accepted', at: 1000, by: 'in-1', tenant: 't', endpoint: 'chat', model: 'llama' },
    ...{ lane: 'interactive', size: 'long', promptTokens: 20_000.4 },
  },
  { kind: 'placed', at: 1001, by: 'in-1', reason: 'cached', worker: 'w-1' },
  { kind: 'queued', at: 1002, by: 'in-1' },
  { kind: 'offered_to_all', at: 1252, by: 'in-1', reason: 'not_taken' },
  {
    kind: 'attempt_failed',
    at: 4000,
    by: 'in-1',
    worker: 'w-2',
    reason: 'engine_error',
    message: 'no memory',
  },
  // Of another process, whose clock is not quite the same.
  { kind: 'taken', at: 1300, by: 'in-1', worker: 'w-2', attempt: 1, ms: 300 },
  { kind: 'first_token', at: 5000, by: 'in-1', ms: 4000 },
  { kind: 'ended', at: 6500, by: 'in-1', reason: 'done', ms: 5500 },
];

test('a trail is told in the order in which things happened, with the reasons', () => {
  assert.deepEqual(
    trailInWords(EVENTS).map(({ afterMs, text }) => `${afterMs} ${text}`),
    [
      '0 accepted by in-1: chat for llama, interactive, long, about 20000 prompt tokens',
      '1 offered to w-1 alone: it should hold the beginning of the prompt in its cache',
      '2 stored in the queue',
      '252 offered to all workers after all: its worker did not take it in time',
      '300 taken by w-2 as attempt 1, after 300 ms in the queue',
      '3000 attempt failed at w-2 (engine_error): no memory',
      '4000 first token after 4.0 s',
      '5500 answered after 5.5 s',
    ],
  );
  assert.deepEqual(trailInWords([]), []);
});

test('what a newer version says is told as it is', () => {
  const event: TrailEvent = { kind: 'ended', at: 1, by: 'x', reason: 'moon_full' };
  assert.equal(trailInWords([event])[0]?.text, 'ended: moon_full');
  assert.ok(trailEventSchema.safeParse({ ...event, colour: 'red' }).success);
  assert.ok(!trailEventSchema.safeParse({ ...event, kind: 'sneezed' }).success);
});

test('of a share of requests trails are kept, the same ones in every process', () => {
  const ids = Array.from({ length: 2000 }, (_, i) => `r${i}`);
  const kept = ids.filter(id => isTrailSampled(id, 0.1));
  assert.ok(kept.length > 140 && kept.length < 260, String(kept.length));
  assert.ok(kept.every(id => isTrailSampled(id, 0.2)));
  assert.ok(ids.every(id => isTrailSampled(id, 1) && !isTrailSampled(id, 0)));
});

test('a trail tells how it stands with its request', () => {
  const at = { at: 1, by: 'x' };
  const ended = (reason: string) => [
    { kind: 'accepted', ...at } as const,
    { kind: 'ended', reason, ...at } as const,
  ];
  assert.equal(trailStateOf([{ kind: 'queued', ...at }]), 'under_way');
  assert.equal(trailStateOf([{ kind: 'attempt_failed', ...at }]), 'under_way');
  for (const [reason, state] of [
    ['done', 'done'],
    ['client_error', 'done'],
    ['client_left', 'client_left'],
    ['deadline', 'failed'],
    ['attempts_spent', 'failed'],
  ] as const)
    assert.equal(trailStateOf(ended(reason)), state, reason);
});
