import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { AnswerRoom } from './answer-room.ts';

/** The connection of a client, of which the test says what it has taken. */
function connection() {
  const socket = { bytesWritten: 0, writableLength: 0 };
  const raw = Object.assign(new EventEmitter(), {
    ...{ socket, destroyed: false, writableLength: 0 },
    destroy() {
      raw.destroyed = true;
      raw.emit('close');
    },
    send(bytes: number) {
      socket.bytesWritten += bytes;
      socket.writableLength += bytes;
      raw.writableLength += bytes;
    },
    take(bytes: number) {
      socket.writableLength -= bytes;
      raw.writableLength -= bytes;
    },
  });
  return raw;
}

type Connection = ReturnType<typeof connection>;

function start(totalBytes: number) {
  let nowMs = 0;
  const open: Connection[] = [];
  const room = new AnswerRoom({
    ...{ totalBytes, monotonic: () => nowMs, roomWaitMs: 20_000 },
    open: () => open as unknown as ServerResponse[],
  });
  const client = (tenant: string) => {
    const raw = connection();
    open.push(raw);
    const held = room.of(raw as unknown as ServerResponse, tenant);
    const write = (bytes: number) => {
      raw.send(bytes);
      held.writing(() => raw.writableLength);
    };
    return { raw, held, write };
  };
  const pass = (ms: number) => {
    nowMs += ms;
    room.tick();
  };
  return { room, client, pass };
}

test('a client that takes nothing for half a minute is cut off, one that takes a little is not', () => {
  const { client, pass } = start(1e9);
  const [silent, slow, idle] = [client('a'), client('a'), client('a')];
  silent.write(1000);
  slow.write(1000);
  for (let s = 0; s <= 30; s++) {
    slow.raw.take(1);
    pass(1000);
  }
  assert.deepEqual([silent.raw.destroyed, slow.raw.destroyed, idle.raw.destroyed], [true, false, false]);
});

test('where answers are too much, that of the tenant with most is given up which has stood still for longest', () => {
  const { room, client, pass } = start(100);
  const [first, second, other] = [client('a'), client('a'), client('b')];
  first.write(40);
  other.write(30);
  pass(1000);
  second.write(20);
  assert.equal(room.heldBytes, 90);
  second.write(20);
  assert.deepEqual([first.raw.destroyed, second.raw.destroyed, other.raw.destroyed], [true, false, false]);
  assert.equal(room.heldBytes, 70);
});

test('an answer that has not begun is given up with an error', () => {
  const { room, client } = start(100);
  const { raw, held } = client('a');
  let isRefused = false;
  held.onGiveUp = () => {
    isRefused = true;
  };
  held.collected(60);
  held.collected(120);
  assert.deepEqual([isRefused, raw.destroyed, room.heldBytes], [true, false, 0]);
});

test('a stored answer waits for room, and gets that of readers that stand still', async () => {
  const { room, client, pass } = start(90);
  const [silent, reading, next] = [client('a'), client('b'), client('b')];
  await silent.held.reserve(40);
  silent.write(40);
  pass(1000);
  const giveBack = await reading.held.reserve(20);
  const waiting = next.held.reserve(30);
  pass(1000);
  assert.equal(silent.raw.destroyed, false);
  pass(1000);
  await waiting;
  assert.equal(silent.raw.destroyed, true);
  giveBack();
  giveBack();
  assert.equal(room.heldBytes, 30);
  next.raw.destroy();
  assert.equal(room.heldBytes, 0);
});

test('one for which there is no room in time is refused', async () => {
  const room = new AnswerRoom({ totalBytes: 90, monotonic: () => 0, open: () => [], roomWaitMs: 1 });
  const of = () => room.of(connection() as unknown as ServerResponse, 'a');
  await of().reserve(60);
  await assert.rejects(of().reserve(60), { code: 'too_many_large_answers' });
});
