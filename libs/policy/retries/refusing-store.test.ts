import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storePauseMs } from './refusing-store.ts';

test('a pause doubles with each delivery while the store refuses, up to half a minute', () => {
  const pauses: number[] = [];
  for (let now = 0; pauses.length < 8; now += pauses.at(-1) ?? 0) pauses.push(storePauseMs(now));
  assert.deepEqual(pauses, [1000, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});
