import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FORGOTTEN_AFTER_MS, HEARTBEAT_MS, LOST_AFTER_MS } from './liveness.ts';

test('a worker may miss two heartbeats, and is forgotten long after it was lost', () => {
  assert.ok(LOST_AFTER_MS > 2 * HEARTBEAT_MS);
  assert.ok(FORGOTTEN_AFTER_MS > LOST_AFTER_MS);
});
