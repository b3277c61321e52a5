import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpikeWatch } from './memory.ts';

test('a spike ends when the work has fallen to a tenth, and is followed up once', () => {
  const watch = new SpikeWatch();
  const seen = [0, 4000, 10_000, 6000, 900, 500, 0, 0, 0, 0, 0].map(open => watch.ended(open));
  const at = seen.flatMap((ended, i) => (ended ? [i] : []));
  assert.deepEqual(at, [4, 6, 9]);
});

test('small changes are no spikes', () => {
  const watch = new SpikeWatch();
  for (const open of [100, 0, 499, 0]) assert.equal(watch.ended(open), false);
});
