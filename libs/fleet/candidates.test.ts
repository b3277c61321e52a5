import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ASSUMED_TOKENS_PER_SEC } from '@penstock/policy';
import { Candidates } from './candidates.ts';
import { heartbeatOf } from './fleet.fixture.ts';
import { Members } from './members.ts';

function startCandidates() {
  const state = { now: 0 };
  const clock = { now: () => state.now, monotonic: () => state.now };
  const members = new Members({
    clock,
    connected: () => true,
    onDropped() {},
    onGone: () => {},
    onRemoved: () => {},
  });
  const candidates = new Candidates(members, clock);
  const waitOf = (worker: string) =>
    candidates.all('m', new Map()).find(each => each.worker === worker)?.waitS ?? null;
  return { state, members, candidates, waitOf };
}

test('a wait runs down while nothing is heard, and what is bound meanwhile is added', () => {
  const { state, members, candidates, waitOf } = startCandidates();
  members.hear(heartbeatOf({ waitS: 2, tokensPerSec: 10_000 }));
  state.now = 500;
  assert.equal(waitOf('w-1'), 1.5);
  candidates.expectAt('w-1', 5000);
  assert.equal(waitOf('w-1'), 2);
  candidates.expectAt('stranger', 5000);
  state.now = 2900;
  assert.equal(waitOf('w-1'), 0);
  members.hearQuote('w-1', { waitMs: 250, tokensPerSec: 10_000, cacheTokens: 0 });
  assert.equal(waitOf('w-1'), 0.25);
});

test('a worker that has not learned its rate is compared with the assumed one', () => {
  const { members, candidates } = startCandidates();
  members.hear(heartbeatOf({ tokensPerSec: 0, load: 0.5 }));
  assert.deepEqual(candidates.all('m', new Map([['w-1', 512]])), [
    { worker: 'w-1', waitS: 0, tokensPerSec: ASSUMED_TOKENS_PER_SEC, matchedTokens: 512, load: 0.5 },
  ]);
});
