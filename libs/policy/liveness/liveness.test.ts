import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEATH_KNOWN_AFTER_MS,
  FORGOTTEN_AFTER_MS,
  HEARTBEAT_MS,
  isCalled,
  LOST_AFTER_MS,
} from './liveness.ts';

test('a worker may miss two heartbeats, and is forgotten long after it was lost', () => {
  assert.ok(LOST_AFTER_MS > 2 * HEARTBEAT_MS);
  assert.ok(FORGOTTEN_AFTER_MS > LOST_AFTER_MS);
});

test('a worker is called soon where a stream should flow, else once its heartbeat is late', () => {
  assert.deepEqual([isCalled(400, true), isCalled(401, true)], [false, true]);
  assert.deepEqual([isCalled(HEARTBEAT_MS + 200, false), isCalled(HEARTBEAT_MS + 300, false)], [false, true]);
  assert.ok(DEATH_KNOWN_AFTER_MS < 1000, 'half of the two seconds in which a stream goes on');
});
