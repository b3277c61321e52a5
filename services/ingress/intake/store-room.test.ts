import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreRoom } from './store-room.ts';

test('nothing new is kept once four fifths of the memory are used, and again when there is room', async () => {
  const memory = { usedBytes: 79, mostBytes: 100 as number | null };
  const room = new StoreRoom({ memory: async () => memory });
  const look = async (usedBytes: number, mostBytes: number | null) => {
    Object.assign(memory, { usedBytes, mostBytes });
    room.tick();
    await new Promise(resolve => setImmediate(resolve));
  };
  await look(79, 100);
  room.pass();
  await look(80, 100);
  assert.throws(() => room.pass(), { code: 'store_full', status: 503 });
  await look(80, null);
  room.pass();
});
