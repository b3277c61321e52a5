import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Candidate } from './affinity.ts';
import { decideOffload } from './offload.ts';

const RATE = 10_000;
const worker = (name: string, waitS: number, tokensPerSec = RATE): Candidate => ({
  worker: name,
  waitS,
  tokensPerSec,
  matchedTokens: 0,
  load: 0,
});
const SLOW = worker('slow', 0, RATE / 2);
const busy = (count: number) => Array.from({ length: count }, (_, i) => worker(`busy-${i}`, 2));
const idle = (count: number) => Array.from({ length: count }, (_, i) => worker(`idle-${i}`, 0));

test('a long prompt leaves the last idle fast workers to others', () => {
  const spared = decideOffload(12_000, [...idle(2), ...busy(4), SLOW], RATE);
  assert.deepEqual(spared, { kind: 'bound', worker: 'slow', matchedTokens: 0, reason: 'spares_fast' });
  assert.equal(decideOffload(12_000, [...idle(3), ...busy(3), SLOW], RATE), null, 'enough are idle');
  assert.equal(
    decideOffload(2000, [...idle(2), ...busy(4), SLOW], RATE),
    null,
    'a short prompt is soon over',
  );
});

test('no prompt waits longer at a slower worker than the longest take on a fast one', () => {
  const fleet = [...idle(1), ...busy(5)];
  assert.equal(decideOffload(30_000, [...fleet, SLOW], RATE), null);
  assert.equal(decideOffload(12_000, [...fleet, worker('slow', 1.5, RATE / 2)], RATE), null);
  const soonest = decideOffload(12_000, [...fleet, worker('slower', 0.5, RATE / 2), SLOW], RATE);
  assert.equal(soonest?.kind === 'bound' && soonest.worker, 'slow');
});

test('nothing is offloaded if most workers are slow, if none is, or if no rate is known', () => {
  assert.equal(decideOffload(12_000, [...idle(1), ...busy(1), SLOW], RATE), null);
  assert.equal(decideOffload(12_000, [...idle(1), ...busy(7)], RATE), null);
  assert.equal(decideOffload(12_000, [SLOW], 0), null);
  assert.equal(decideOffload(12_000, [], RATE), null);
});
