import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CacheBeliefs } from './cache-beliefs.ts';
import { heartbeatOf } from './fleet.fixture.ts';
import { Members } from './members.ts';

function startBeliefs() {
  const members: Members = new Members({
    clock: { now: () => 0, monotonic: () => 0 },
    connected: () => true,
    onDropped() {},
    onGone: () => {},
    onRemoved: ({ worker }) => caches.forget(worker),
  });
  const caches: CacheBeliefs = new CacheBeliefs(members);
  return { members, caches };
}

test('a cache may hold what it held until as much was put into it as fits', () => {
  const { members, caches } = startBeliefs();
  assert.deepEqual([caches.cacheTokensOf('w-1'), caches.mayHold('w-1', 0)], [null, false]);
  members.hear(heartbeatOf({ cacheTokens: 1000, cacheCapacity: 5000 }));
  assert.deepEqual([caches.cacheTokensOf('w-1'), caches.mayHold('w-1', 1000)], [1000, true]);
  members.hearQuote('w-1', { waitMs: 0, tokensPerSec: 1, cacheTokens: 50_000 });
  assert.deepEqual([caches.cacheTokensOf('w-1'), caches.mayHold('w-1', 1000)], [50_000, false]);
});

test('trust falls with each answer that found less than expected, survives heartbeats, and ends with the membership', () => {
  const { members, caches } = startBeliefs();
  caches.judge('w-1', 1, 0);
  assert.equal(caches.trustIn('w-1'), 1, 'nothing is kept of a stranger');
  members.hear(heartbeatOf({}));
  caches.judge('w-1', 1, 0);
  const once = caches.trustIn('w-1');
  members.hear(heartbeatOf({}));
  caches.judge('w-1', 1, 0);
  assert.ok(once < 1 && caches.trustIn('w-1') < once);
  members.hear(heartbeatOf({ leaving: true }));
  members.hear(heartbeatOf({}));
  assert.equal(caches.trustIn('w-1'), 1);
});
