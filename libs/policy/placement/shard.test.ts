import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideShard } from './shard.ts';

const load = (shard: number, tokensPerSec: number, meanWaitS = 0) => ({ shard, tokensPerSec, meanWaitS });

test('shards are drawn by their speed', () => {
  const loads = [load(0, 1000), load(1, 3000)];
  const counts = [0, 0];
  for (let i = 0; i < 100; i++) {
    const shard = decideShard(loads, [i / 100, i / 100]);
    counts[shard] = (counts[shard] ?? 0) + 1;
  }
  assert.deepEqual(counts, [25, 75]);
});

test('of two drawn shards the one that waits less is taken', () => {
  const loads = [load(0, 1000, 2), load(1, 1000, 1)];
  assert.equal(decideShard(loads, [0.1, 0.9]), 1);
  assert.equal(decideShard(loads, [0.9, 0.1]), 1);
  assert.equal(decideShard(loads, [0.1, 0.1]), 0);
});

test('without workers there is nothing to choose', () => {
  assert.equal(decideShard([], [0.5, 0.5]), 0);
});
