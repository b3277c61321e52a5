import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Starting } from './starting.ts';

test('a cancel that overtakes the beginning of its attempt is not lost, and means no other', async () => {
  const starting = new Starting();
  const begun = Promise.withResolvers<string>();
  const waiting = [
    starting.during('a', 1, begun.promise),
    starting.during('a', 2, begun.promise),
    starting.during('b', 1, begun.promise),
  ];
  assert.equal(starting.size, 3);
  starting.cancel('a', 1);
  begun.resolve('begun');
  const ends = await Promise.all(waiting);
  assert.deepEqual(
    ends.map(end => end.isCancelled),
    [true, false, false],
  );
  assert.equal(ends[0]?.known, 'begun');
  assert.equal(starting.size, 0);
});

test('what fails to begin is forgotten', async () => {
  const starting = new Starting();
  await assert.rejects(starting.during('a', 1, Promise.reject(new Error('no Redis'))), /no Redis/);
  assert.equal(starting.size, 0);
});
