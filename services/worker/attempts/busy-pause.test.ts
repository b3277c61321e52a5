import assert from 'node:assert/strict';
import { test } from 'node:test';
import { busyPause } from './busy-pause.ts';

test('a request that an engine had no room for waits as long as the engine asks, or a second', () => {
  assert.deepEqual([busyPause(2500, 1), busyPause(0, 1), busyPause(null, 1)], [2500, 0, 1000]);
});

test('one that was delivered often waits longer, so that the broker does not give it up, on every subject anew', () => {
  assert.deepEqual(
    [busyPause(null, 60), busyPause(null, 61), busyPause(120_000, 61)],
    [1000, 60_000, 120_000],
  );
  assert.deepEqual([busyPause(null, 1024 + 1), busyPause(null, 1024 + 61)], [1000, 60_000]);
});
