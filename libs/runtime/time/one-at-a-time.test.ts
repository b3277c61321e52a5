import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oneAtATime } from './one-at-a-time.ts';

test('a round is not joined by another, and one that fails is told and followed by the next', async () => {
  const told: unknown[] = [];
  const begun: PromiseWithResolvers<void>[] = [];
  const look = oneAtATime(
    () => {
      const round = Promise.withResolvers<void>();
      begun.push(round);
      return round.promise;
    },
    err => told.push(err),
  );
  const first = look();
  await look();
  assert.equal(begun.length, 1);
  const away = new Error('away');
  begun[0]?.reject(away);
  await first;
  assert.deepEqual(told, [away]);
  const second = look();
  assert.equal(begun.length, 2);
  begun[1]?.resolve();
  await second;
  assert.equal(told.length, 1);
});
