import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SlotShares } from './slot-shares.ts';

const LATER = { kind: 'later', delayMs: 1500 };

test('a tenant that wants all slots leaves some to others, and gets no more while it holds its share', async () => {
  const slots = new SlotShares(9, () => 0.5);
  const { promise: isOver, resolve: end } = Promise.withResolvers<void>();
  let running = 0;
  const work = () => {
    running++;
    return isOver;
  };
  const first = Array.from({ length: 20 }, () => slots.during('a', work));
  assert.equal(running, 6);
  assert.deepEqual(await Promise.all(first.slice(6)), Array(14).fill(LATER));
  const other = slots.during('b', work);
  assert.equal(running, 7);
  assert.deepEqual(await slots.during('a', work), LATER);
  end();
  await Promise.all([...first, other]);
  assert.equal(await slots.during('a', async () => 'done'), 'done');
});

test('work that fails gives its slot back', async () => {
  const slots = new SlotShares(3, () => 0);
  const fail = () => Promise.reject(new Error('no'));
  for (let i = 0; i < 4; i++) await assert.rejects(slots.during('a', fail), /no/);
});
