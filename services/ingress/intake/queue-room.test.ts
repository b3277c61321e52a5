import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueueRoom } from './queue-room.ts';

function start(filled = { messages: 0, bytes: 0 }) {
  const room = new QueueRoom({
    ...{ region: 'eu', shards: 1, limits: { messages: 9, bytes: 9000 } },
    ...{ queue: { fill: async () => filled }, isServed: slug => slug === 'served' },
  });
  const enter = (tenant: string, slug = 'served') => room.enter({ tenant, slug, bytes: 1 });
  return { room, enter };
}

test('one tenant gets two thirds of an empty queue, and what it gives back is free again', () => {
  const { enter } = start();
  const held = Array.from({ length: 6 }, () => enter('a'));
  assert.throws(() => enter('a'), { code: 'queue_full' });
  enter('b')();
  for (const leave of held) leave();
});

test('stored work counts from when it is about to be stored', () => {
  const { room } = start();
  const most = () => room.limitsOf({ slug: 'served' }, 10).tenant.messages;
  assert.deepEqual([most(), most(), most()], [16, 14, 12]);
});

test('what others have put into the queue counts as it was last seen', async () => {
  const { room, enter } = start({ messages: 8, bytes: 0 });
  enter('a');
  room.tick();
  await new Promise(resolve => setImmediate(resolve));
  assert.throws(() => enter('a'), { code: 'queue_full' });
});

test('calls for a model without workers take no room that others need', () => {
  const { enter } = start();
  const leave = enter('a', 'unserved');
  assert.throws(() => enter('b', 'unserved'), { code: 'queue_full', message: /No worker serves this model/ });
  enter('b');
  leave();
  leave();
  enter('b', 'unserved');
});
