import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Door, PATIENCE_MS } from './door.ts';

test('requests are refused while Redis is away for longer than a restart, and let in once it is back', () => {
  let now = 0;
  let isConnected = true;
  const door = new Door({ isConnected: () => isConnected, clock: { monotonic: () => now } });
  door.pass();
  isConnected = false;
  now = 10_000;
  door.pass();
  now += PATIENCE_MS;
  door.pass();
  now += 1;
  assert.throws(() => door.pass(), { code: 'store_unavailable', status: 503 });
  isConnected = true;
  door.pass();
  isConnected = false;
  door.pass();
});

test('an absence counts from when it was first seen, with or without requests', () => {
  let now = 0;
  const door = new Door({ isConnected: () => false, clock: { monotonic: () => now } });
  door.tick();
  now = PATIENCE_MS + 1;
  assert.throws(() => door.pass(), { code: 'store_unavailable' });
});

test('absences that follow one another are not one long absence', () => {
  let now = 0;
  let isConnected = false;
  const door = new Door({ isConnected: () => isConnected, clock: { monotonic: () => now } });
  for (const _ of Array.from({ length: 10 })) {
    door.pass();
    now += PATIENCE_MS - 1;
    isConnected = true;
    door.tick();
    isConnected = false;
    door.tick();
  }
});
