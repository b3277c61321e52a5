import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharedAddress } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import { MemoryRequestBodies, MemoryWorkQueue } from '@penstock/transport/memory';
import { BodySweeper } from './body-sweeper.ts';

const KEY = { region: 'eu', shard: 1, slug: 'm', lane: 'batch', size: 'any' } as const;
const MINUTE_MS = 60_000;

async function start() {
  let nowMs = 0;
  const clock = { now: () => nowMs, monotonic: () => nowMs };
  const queue = new MemoryWorkQueue(clock);
  for (const shard of [0, 1]) await queue.ensureWorkStream('eu', shard, { maxMessages: 9, maxBytes: 1e6 });
  await queue.ensureDeadStream('eu');
  const bodies = new MemoryRequestBodies(clock);
  const warned: string[] = [];
  const log = { info() {}, warn: (_about: object, text: string) => void warned.push(text) };
  const watch = { removed() {}, failed() {} };
  const options = {
    ...{ bodies, queue, region: 'eu', shards: 2, watch, clock },
    log: log as unknown as Logger,
  };
  const sweeper = new BodySweeper(options);
  const pass = async (minutes: number) => {
    for (let i = 0; i < minutes; i++) {
      nowMs += MINUTE_MS;
      await sweeper.sweep();
    }
  };
  const kept = async () => {
    const ids: string[] = [];
    for await (const { id } of bodies.list()) ids.push(id);
    return ids;
  };
  const publish = (id: string) =>
    queue.publish(sharedAddress(KEY, id), Buffer.from('{}\n'), { messageId: id, ttlMs: 9e9 });
  return { queue, bodies, pass, kept, publish, warned };
}

test('a body stays while a message of its request is in any shard, or is a dead letter', async () => {
  const { queue, bodies, pass, kept, publish } = await start();
  for (const id of ['r1', 'r2', 'r3']) await bodies.put(id, Buffer.from('x'));
  await publish('r1');
  await publish('r2');
  await queue.moveToDead(sharedAddress(KEY, 'r2'), { code: 'engine_error', message: '' });
  await queue.clear(sharedAddress(KEY, 'r2'));
  await pass(10);
  assert.deepEqual(await kept(), ['r1', 'r2']);
  await queue.clear(sharedAddress(KEY, 'r1'));
  await pass(10);
  assert.deepEqual(await kept(), ['r2']);
});

test('a request that is in no stream for a moment keeps its body', async () => {
  const { queue, bodies, pass, kept, publish } = await start();
  await bodies.put('r1', Buffer.from('x'));
  for (let moves = 0; moves < 4; moves++) {
    await pass(4);
    await publish('r1');
    await pass(1);
    await queue.clear(sharedAddress(KEY, 'r1'));
  }
  assert.deepEqual(await kept(), ['r1']);
});

test('nothing is removed while the broker cannot say', async () => {
  const { queue, bodies, pass, kept, warned } = await start();
  await bodies.put('r1', Buffer.from('x'));
  queue.holds = () => Promise.reject(new Error('no connection'));
  await pass(10);
  assert.deepEqual(await kept(), ['r1']);
  assert.equal(warned.length, 10);
});
