import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PrefixOwners } from './prefix-owners.ts';

const own = (worker: number, stamp = 0) => ({ worker, stamp });
const all = () => true;

test('a worker holds the longest prefix it served, in the order of workers', () => {
  const owners = new PrefixOwners(all);
  owners.learn([1, 2, 3, 4], own(7));
  owners.learn([1, 2, 5], own(3));
  assert.deepEqual(owners.holdersOf([1, 2, 3, 4, 9]), [
    { worker: 3, tokens: 1024, trusted: 1024 },
    { worker: 7, tokens: 2048, trusted: 2048 },
  ]);
  assert.deepEqual(owners.holdersOf([1, 2, 5, 6]), [
    { worker: 3, tokens: 1536, trusted: 1536 },
    { worker: 7, tokens: 1024, trusted: 1024 },
  ]);
  assert.deepEqual(owners.holdersOf([1]), [
    { worker: 3, tokens: 512, trusted: 512 },
    { worker: 7, tokens: 512, trusted: 512 },
  ]);
  assert.deepEqual(owners.holdersOf([8, 1]), []);
  assert.deepEqual(owners.holdersOf([]), []);
});

test('the last four that served a prefix are remembered, whatever was served of what follows', () => {
  const owners = new PrefixOwners(all);
  owners.learn([1, 2], own(0));
  for (let worker = 1; worker <= 4; worker++) owners.learn([1], own(worker));
  const workersOf = (...blocks: number[]) => owners.holdersOf(blocks).map(({ worker }) => worker);
  assert.deepEqual(workersOf(1), [1, 2, 3, 4]);
  assert.deepEqual(workersOf(1, 2), [0, 1, 2, 3, 4]);
  owners.learn([1], own(1));
  owners.learn([1], own(5));
  assert.deepEqual(workersOf(1), [1, 3, 4, 5]);
});

test('an owner whose cache was filled anew since holds nothing, until it serves the prefix again', () => {
  const owners = new PrefixOwners(({ stamp }) => stamp >= 100);
  owners.learn([1, 2], own(0, 50));
  assert.deepEqual(owners.holdersOf([1, 2]), []);
  owners.learn([1], own(0, 150));
  assert.deepEqual(owners.holdersOf([1, 2]), [{ worker: 0, tokens: 512, trusted: 512 }]);
});
