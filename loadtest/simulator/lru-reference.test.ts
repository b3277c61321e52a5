import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lruReference } from './lru-reference.ts';

const request = (blocks: number[]) => ({
  atMs: 0,
  inputTokens: blocks.length * 512,
  outputTokens: 1,
  blocks,
});

test('a follow-up finds its conversation where the first turn was computed', () => {
  const turns = [request([0, 1, 2]), request([0, 7, 8]), request([0, 1, 2, 3])];
  // The second goes to the idle worker, which has nothing of it; the third finds three blocks.
  const expected = (3 * 512) / (10 * 512);
  assert.ok(Math.abs(lruReference(turns, [1, 1], 100_000) - expected) < 1e-9);
});

test('what a cache has no room for is computed again', () => {
  const turns = [request([0, 1, 2]), request([0, 7, 8]), request([0, 1, 2, 3])];
  assert.ok(lruReference(turns, [1], 3 * 512) < lruReference(turns, [1], 100_000));
});
