import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PendingStarts } from './pending-starts.ts';

test('a cancel that arrives before its attempt runs is not lost, and cancels no later one', async () => {
  const starts = new PendingStarts();
  const begun = Promise.withResolvers<string>();
  const waiting = [
    starts.during('a', 1, begun.promise),
    starts.during('a', 2, begun.promise),
    starts.during('b', 1, begun.promise),
  ];
  assert.equal(starts.size, 3);
  starts.cancel('a', 1);
  begun.resolve('begun');
  const ends = await Promise.all(waiting);
  assert.deepEqual(
    ends.map(end => end.isCancelled),
    [true, false, false],
  );
  assert.equal(ends[0]?.known, 'begun');
  assert.equal(starts.size, 0);
});

test('a start that fails is forgotten', async () => {
  const starts = new PendingStarts();
  await assert.rejects(starts.during('a', 1, Promise.reject(new Error('no Redis'))), /no Redis/);
  assert.equal(starts.size, 0);
});
