import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lately } from '../bidding/recent-work.ts';
import { type Candidate, decideAmongOwners, decidePrefix, decideSession } from './affinity.ts';

const worker = (name: string, waitS: number, matchedTokens = 0, tokensPerSec = 10_000): Candidate => ({
  worker: name,
  waitS,
  tokensPerSec,
  matchedTokens,
  load: 0,
});

test('a prompt goes to the worker that has most of it, while that is about the soonest', () => {
  const placed = decidePrefix(10_000, [worker('a', 0), worker('b', 0.5, 9000), worker('c', 0, 512)], 0);
  assert.deepEqual(placed, { kind: 'bound', worker: 'b', matchedTokens: 9000, reason: 'cached' });
});

test('a busy owner gets no further prompts', () => {
  const placed = decidePrefix(10_000, [worker('a', 0), worker('b', 3, 9000)], 0);
  assert.deepEqual(placed, { kind: 'shared', reason: 'owner_busy' });
});

test('an owner that lately worked much more than the mean shares a short prefix with another, and keeps a long one', () => {
  const hot = { ...worker('b', 0, 6000), load: 0.3 };
  const spread = decidePrefix(6400, [worker('a', 0), hot], 0.15);
  assert.deepEqual(spread, { kind: 'shared', reason: 'owner_loaded' });
  const second = { ...worker('c', 0.1, 6000), load: 0.15 };
  const other = decidePrefix(6400, [worker('a', 0), hot, second], 0.15);
  assert.equal(other.kind === 'bound' && other.worker, 'c');
  const long = { ...worker('b', 0, 60_000), load: 0.3 };
  assert.equal(decidePrefix(64_000, [worker('a', 0), long], 0.15).kind, 'bound');
});

test('the load of a worker follows its work and fades', () => {
  let load = 0;
  for (let second = 0; second < 600; second++) load = lately(load, 0.5, 1);
  assert.ok(Math.abs(load - 0.5) < 0.01);
  assert.ok(lately(load, 0, 600) < 0.01);
});

test('workers without any of the prompt are asked for only where an owner is late, and change nothing', () => {
  const others = [worker('x', 0.4), worker('y', 0.1), worker('z', 2)];
  const soonest = worker('y', 0.1);
  for (const waitS of [0, 0.5, 1.4, 1.5, 1.6, 3]) {
    const owners = [worker('a', waitS, 9000), worker('b', waitS + 0.1, 9500)];
    let asked = false;
    const ask = () => {
      asked = true;
      return soonest;
    };
    const placed = decideAmongOwners(10_000, owners, { fastestTokensPerSec: 10_000, soonest: ask }, 0);
    assert.deepEqual(placed, decidePrefix(10_000, [...owners, ...others], 0));
    assert.equal(asked, waitS >= 1.5, `${waitS} s`);
  }
  const nobody = { fastestTokensPerSec: 10_000, soonest: () => null };
  assert.equal(decideAmongOwners(10_000, [worker('a', 9, 9000)], nobody, 0).kind, 'bound');
});

test('without an owner, or without workers, the shared queue decides', () => {
  assert.equal(decidePrefix(10_000, [worker('a', 0)], 0).reason, 'no_match');
  assert.equal(decidePrefix(10_000, [], 0).reason, 'no_match');
});

test('a session keeps its worker until that one is much later than the best', () => {
  const hashes: Record<string, number> = { a: 1, b: 9, c: 5 };
  const hashOf = (name: string) => hashes[name] ?? 0;
  const calm = decideSession(1000, [worker('a', 0), worker('b', 0.2), worker('c', 0)], hashOf);
  assert.equal(calm.kind === 'bound' && calm.worker, 'b');
  const busy = decideSession(1000, [worker('a', 0), worker('b', 5), worker('c', 0)], hashOf);
  assert.equal(busy.kind === 'bound' && busy.worker, 'c');
  assert.equal(decideSession(1000, [], hashOf).kind, 'shared');
});
