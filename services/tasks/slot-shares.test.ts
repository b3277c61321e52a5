import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SlotShares } from './slot-shares.ts';

test('a tenant that wants all slots leaves some to others, and gets no more while it holds its share', () => {
  const slots = new SlotShares(9, () => 0.5);
  const first = Array.from({ length: 20 }, () => slots.enter('a')).filter(leave => leave !== null);
  assert.equal(first.length, 6);
  assert.notEqual(slots.enter('b'), null);
  assert.equal(slots.enter('a'), null);
  assert.equal(slots.pauseMs(), 1500);
  for (const leave of first) leave();
  assert.notEqual(slots.enter('a'), null);
});
