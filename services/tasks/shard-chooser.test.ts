import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ShardChooser } from './shard-chooser.ts';

const model = { name: 'm', slug: 'm', created: 0, ownedBy: '', architecture: null };
const beat = (worker: string, shard: number, more: object = {}) => ({
  ...{
    v: 1 as const,
    worker,
    incarnation: 'p1',
    shard,
    models: [model],
    slots: 8,
    running: 0,
    pulling: true,
    leaving: false,
  },
  ...{ level: 0, waitS: 0, tokensPerSec: 0, load: 0, cacheTokens: 0, cacheCapacity: null },
  ...more,
});

test('lines go where the model is served; where it is served nowhere, anywhere', () => {
  let now = 0;
  const chooser = new ShardChooser(4, { now: () => now, monotonic: () => now });
  const drawn = (slug: string) =>
    [...new Set([0, 0.3, 0.6, 0.99].map(rand => chooser.shardFor(slug, rand)))].sort();
  assert.deepEqual(drawn('m'), [0, 1, 2, 3]);
  chooser.hear(beat('a', 2));
  chooser.hear(beat('b', 3, { pulling: false }));
  assert.deepEqual(drawn('m'), [2]);
  assert.deepEqual(drawn('other'), [0, 1, 2, 3]);
  chooser.hear(beat('c', 1));
  assert.deepEqual(drawn('m'), [1, 2]);
  chooser.hear(beat('a', 2, { leaving: true }));
  assert.deepEqual(drawn('m'), [1]);
  now = 6000;
  assert.deepEqual(drawn('m'), [0, 1, 2, 3], 'a silent worker is not counted');
});
