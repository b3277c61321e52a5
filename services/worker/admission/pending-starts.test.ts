import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_NONCE } from '@penstock/protocol';
import { PendingStarts } from './pending-starts.ts';

test('a cancel that arrives before its attempt runs is not lost, and cancels no later one', async () => {
  const starts = new PendingStarts();
  const begun = Promise.withResolvers<string>();
  const waiting = [
    starts.during('a', { number: 1, nonce: 1 }, 10, begun.promise),
    starts.during('a', { number: 2, nonce: 2 }, 20, begun.promise),
    starts.during('b', { number: 1, nonce: 1 }, 30, begun.promise),
  ];
  assert.deepEqual([starts.size, starts.kvTokens, starts.has('b'), starts.has('c')], [3, 60, true, false]);
  starts.cancel('a', { number: 1, nonce: NO_NONCE });
  begun.resolve('begun');
  const ends = await Promise.all(waiting);
  assert.deepEqual(
    ends.map(end => end.isCancelled),
    [true, false, false],
  );
  assert.equal(ends[0]?.known, 'begun');
  assert.deepEqual([starts.size, starts.kvTokens], [0, 0]);
});

test('of two starts of one number a cancel means the one that has its nonce', async () => {
  const starts = new PendingStarts();
  const begun = Promise.withResolvers<string>();
  const waiting = [3, 4].map(nonce => starts.during('a', { number: 1, nonce }, 0, begun.promise));
  starts.cancel('a', { number: 1, nonce: 4 });
  begun.resolve('begun');
  assert.deepEqual(
    (await Promise.all(waiting)).map(end => end.isCancelled),
    [false, true],
  );
});

test('a start that fails is forgotten', async () => {
  const starts = new PendingStarts();
  await assert.rejects(
    starts.during('a', { number: 1, nonce: 1 }, 0, Promise.reject(new Error('no Redis'))),
    /no Redis/,
  );
  assert.equal(starts.size, 0);
});
