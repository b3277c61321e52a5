import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Candidate, decidePrefix, decideSession } from './affinity.ts';

const worker = (name: string, waitS: number, matchedTokens = 0, tokensPerSec = 10_000): Candidate => ({
  worker: name,
  waitS,
  tokensPerSec,
  matchedTokens,
});

test('a prompt goes to the worker that has most of it, while that is about the soonest', () => {
  const placed = decidePrefix(10_000, [worker('a', 0), worker('b', 0.5, 9000), worker('c', 0, 512)]);
  assert.deepEqual(placed, { kind: 'sticky', worker: 'b', matchedTokens: 9000, reason: 'cached' });
});

test('a busy owner is left alone', () => {
  const placed = decidePrefix(10_000, [worker('a', 0), worker('b', 3, 9000)]);
  assert.deepEqual(placed, { kind: 'shared', reason: 'owner_busy' });
});

test('without an owner, or without anybody, the shared queue decides', () => {
  assert.equal(decidePrefix(10_000, [worker('a', 0)]).reason, 'no_match');
  assert.equal(decidePrefix(10_000, []).reason, 'no_match');
});

test('a session keeps its worker until that one is much later than the best', () => {
  const hashes: Record<string, number> = { a: 1, b: 9, c: 5 };
  const hashOf = (name: string) => hashes[name] ?? 0;
  const calm = decideSession(1000, [worker('a', 0), worker('b', 0.2), worker('c', 0)], hashOf);
  assert.equal(calm.kind === 'sticky' && calm.worker, 'b');
  const busy = decideSession(1000, [worker('a', 0), worker('b', 5), worker('c', 0)], hashOf);
  assert.equal(busy.kind === 'sticky' && busy.worker, 'c');
  assert.equal(decideSession(1000, [], hashOf).kind, 'shared');
});
