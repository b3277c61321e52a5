/** Conversations in Redis: entries stay in order, have a limit, and end together with their conversation. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { conversationEntriesKey, conversationKey } from '@penstock/protocol';
import { RedisConversations } from '@penstock/transport';
import { Redis } from 'ioredis';
import { startRedis } from '../../testkit/redis.ts';

let redis: Awaited<ReturnType<typeof startRedis>>;
let records: RedisConversations;
let raw: Redis;
before(async () => {
  redis = await startRedis();
  records = await RedisConversations.connect({ url: redis.url, name: 'test' });
  raw = new Redis(redis.url);
});
after(async () => {
  raw.disconnect();
  await records.close();
  await redis.stop();
});

const limits = { ttlMs: 60_000, maxEntries: 5, maxBytes: 20 };
const about = (id: string) => ({ id, tenant: 't', createdAt: 1, metadata: { a: 'b' } });

test('entries are kept in order, and others take the place of one', async () => {
  await records.create(about('c1'), 1000);
  assert.deepEqual(await records.record('c1'), about('c1'));
  assert.equal(await records.add('c1', ['a', 'b', 'c'], limits), 'added');
  await records.replace('c1', 'b', ['x', 'y']);
  await records.replace('c1', 'b', ['never']);
  await records.replace('c1', 'a', []);
  assert.deepEqual(await records.entries('c1'), ['x', 'y', 'c']);
  assert.equal(await records.describe('c1', { c: 'd' }), true);
  assert.deepEqual((await records.record('c1'))?.metadata, { c: 'd' });
});

test('a conversation has room for so many entries and bytes', async () => {
  await records.create(about('c2'), 1000);
  assert.equal(await records.add('c2', ['1', '2', '3', '4', '5', '6'], limits), 'full');
  assert.equal(await records.add('c2', ['x'.repeat(21)], limits), 'full');
  assert.equal(await records.add('c2', ['x'.repeat(15)], limits), 'added');
  assert.equal(await records.add('c2', ['y'.repeat(6)], limits), 'full');
  await records.replace('c2', 'x'.repeat(15), ['x']);
  assert.equal(await records.add('c2', ['y'.repeat(6)], limits), 'added');
});

test('an addition extends the life of all of it, and what is gone stays gone', async () => {
  await records.create(about('c3'), 1000);
  await records.add('c3', ['a'], limits);
  for (const key of [conversationKey('c3'), conversationEntriesKey('c3')])
    assert.ok((await raw.pttl(key)) > 50_000);
  await records.remove('c3');
  assert.equal(await records.add('c3', ['a'], limits), 'missing');
  assert.equal(await records.describe('c3', {}), false);
  assert.equal(await records.record('c3'), null);
  assert.deepEqual(await records.entries('c3'), []);
});
