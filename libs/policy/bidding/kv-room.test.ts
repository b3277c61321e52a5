import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitting, kvFree, kvNeed } from './kv-room.ts';

test('a request needs its prompt and a likely answer', () => {
  assert.equal(kvNeed(1000, 200), 1200);
  assert.equal(kvNeed(1000, null), 1512);
  assert.equal(kvNeed(1000, 1_000_000), 5096);
});

test('what the engine says and what was taken: the larger one counts', () => {
  assert.equal(kvFree(null, 0.5, 100), null);
  assert.equal(kvFree(10_000, 0.5, 100), 5000);
  assert.equal(kvFree(10_000, null, 7000), 3000);
  assert.equal(kvFree(10_000, 0.2, 12_000), 0);
});

test('as many fit as there is memory for, and one into an idle engine', () => {
  assert.equal(fitting(10_000, 3, 1488), 5);
  assert.equal(fitting(1000, 3, 1488), 0);
  assert.equal(fitting(1000, 0, 1488), 1);
  assert.equal(fitting(null, 3, 1e9), Number.POSITIVE_INFINITY);
});
