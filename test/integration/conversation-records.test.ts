/** Conversations in Redis: entries stay in order, have a limit, and end together with their conversation. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { conversationEntriesKey, conversationKey } from '@penstock/protocol';
import {
  type ConversationRecords,
  KeyList,
  RedisConversations,
  RedisDataKeys,
  SealedConversations,
  Vault,
} from '@penstock/transport';
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

test('entries are kept in order, and others take the place of one', () => orderOf(records, 'c1'));

test('so they are where they are sealed, which Redis does not see through', async () => {
  const wrapper = KeyList.parse(KeyList.draw('k1'), 'PENSTOCK_X');
  const clock = { now: () => 0, monotonic: () => 0 };
  const dataKeys = await RedisDataKeys.connect({ url: redis.url, name: 'test' });
  const vault = new Vault({ records: dataKeys, wrapper, isOn: true, clock });
  await orderOf(new SealedConversations(records, vault), 'c9');
  const kept = await records.entries(about('c9'));
  assert.ok(kept.length === 3 && kept.every(entry => !['xx', 'y', 'c'].includes(entry)), String(kept));
  await dataKeys.close();
});

async function orderOf(records: ConversationRecords, id: string): Promise<void> {
  const limits = { ttlMs: 60_000, maxEntries: 5, maxBytes: 1000 };
  await records.create(about(id), 1000);
  assert.deepEqual(await records.record(id), about(id));
  assert.equal(await records.add(about(id), ['a', 'b', 'c'], limits), 'added');
  await records.replace(about(id), 'b', ['xx', 'y']);
  await records.replace(about(id), 'b', ['never']);
  await records.replace(about(id), 'a', []);
  assert.deepEqual(await records.entries(about(id)), ['xx', 'y', 'c']);
  assert.equal(await records.describe(id, { c: 'd' }), true);
  assert.deepEqual((await records.record(id))?.metadata, { c: 'd' });
}

test('a conversation has room for so many entries and bytes', async () => {
  await records.create(about('c2'), 1000);
  assert.equal(await records.add(about('c2'), ['1', '2', '3', '4', '5', '6'], limits), 'full');
  assert.equal(await records.add(about('c2'), ['x'.repeat(21)], limits), 'full');
  assert.equal(await records.add(about('c2'), ['x'.repeat(15)], limits), 'added');
  assert.equal(await records.add(about('c2'), ['y'.repeat(6)], limits), 'full');
  await records.replace(about('c2'), 'x'.repeat(15), ['x']);
  assert.equal(await records.add(about('c2'), ['y'.repeat(6)], limits), 'added');
});

test('an addition extends the life of all of it, and what is gone stays gone', async () => {
  await records.create(about('c3'), 1000);
  await records.add(about('c3'), ['a'], limits);
  for (const key of [conversationKey('c3'), conversationEntriesKey('c3')])
    assert.ok((await raw.pttl(key)) > 50_000);
  await records.remove('c3');
  assert.equal(await records.add(about('c3'), ['a'], limits), 'missing');
  assert.equal(await records.describe('c3', {}), false);
  assert.equal(await records.record('c3'), null);
  assert.deepEqual(await records.entries(about('c3')), []);
});
