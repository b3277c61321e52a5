import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitsShare, largestShare, nextToGiveUp } from './share.ts';

/** Owners take one after the other, in turns, until none gets more. @returns what each has. */
function fill(total: number, owners: number): number[] {
  const held = Array.from({ length: owners }, () => 0);
  for (let isMore = true; isMore; ) {
    isMore = false;
    for (let i = 0; i < owners; i++) {
      const taken = held.reduce((sum, each) => sum + each, 0);
      if (!fitsShare({ total, taken }, held[i] ?? 0, 1)) continue;
      held[i] = (held[i] ?? 0) + 1;
      isMore = true;
    }
  }
  return held;
}

test('one alone gets two thirds, and the more there are the less each gets', () => {
  assert.deepEqual(fill(900, 1), [600]);
  assert.deepEqual(fill(900, 2), [360, 360]);
  assert.deepEqual(
    fill(900, 4).map(each => Math.abs(each - 200) <= 1),
    [true, true, true, true],
  );
});

test('whoever comes after one that has all it can get finds room', () => {
  const taken = fill(900, 1)[0] ?? 0;
  assert.ok(fitsShare({ total: 900, taken }, 0, 200));
  assert.ok(!fitsShare({ total: 900, taken }, taken, 1));
});

test('the largest share fits into an empty place, and no more does', () => {
  assert.equal(largestShare(900), 600);
  assert.ok(fitsShare({ total: 900, taken: 0 }, 0, 600));
  assert.ok(!fitsShare({ total: 900, taken: 0 }, 0, 601));
});

test('what is given up is of the owner that holds most, and has stood still for longest', () => {
  const held = [
    { owner: 'a', bytes: 50, stalledMs: 90 },
    { owner: 'b', bytes: 40, stalledMs: 1 },
    { owner: 'b', bytes: 30, stalledMs: 2 },
    { owner: 'b', bytes: 0, stalledMs: 99 },
  ];
  assert.equal(nextToGiveUp(held), held[2]);
  assert.equal(nextToGiveUp([]), null);
});
