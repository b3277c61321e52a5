import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedRoom } from './shared-room.ts';

const LONG_MS = 60_000;

test('one tenant cannot take what another needs', async () => {
  const room = new SharedRoom(900);
  const held = [await room.take('a', 300, 1), await room.take('a', 300, 1)];
  assert.ok(held.every(each => each !== null));
  assert.equal(await room.take('a', 1, 1), null);
  assert.notEqual(await room.take('b', 200, 1), null);
  assert.equal(room.takenBytes, 800);
});

test('who waits is served in order, of two tenants the one that holds less', async () => {
  const room = new SharedRoom(900);
  const first = await room.take('a', 500, 1);
  const second = await room.take('a', 100, 1);
  const order: string[] = [];
  const take = async (owner: string, bytes: number, name: string) => {
    const giveBack = await room.take(owner, bytes, LONG_MS);
    order.push(name);
    return giveBack;
  };
  const third = take('a', 400, 'a, large');
  // It would fit, but does not pass the one before it.
  const fourth = take('a', 10, 'a, small');
  const other = take('b', 300, 'b');
  assert.ok(room.isWanted);
  first?.();
  first?.();
  await other;
  second?.();
  (await third)?.();
  await fourth;
  assert.deepEqual(order, ['b', 'a, large', 'a, small']);
});

test('what is larger than a share takes a whole one, and nothing is left of what is given back', async () => {
  const room = new SharedRoom(900);
  const all = await room.take('a', 5000, 1);
  assert.equal(room.takenBytes, 600);
  all?.();
  assert.equal(room.takenBytes, 0);
});

test('what cannot wait is held beyond the limit, and is seen', async () => {
  const room = new SharedRoom(900);
  room.add('a', 1000);
  assert.ok(room.isOver);
  const waiting = room.take('b', 100, LONG_MS);
  room.add('a', -1000);
  assert.ok(!room.isOver);
  assert.notEqual(await waiting, null);
});
