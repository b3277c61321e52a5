/** What a region looks like from outside, on a real broker and a real Redis. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { EVENT_OUTBOX_KEY, sharedAddress } from '@penstock/protocol';
import { type Delivery, NatsQueueSurvey, NatsWorkQueue, RedisStoreSurvey } from '@penstock/transport';
import { Redis } from 'ioredis';
import { startNats } from '../../testkit/nats.ts';
import { startRedis } from '../../testkit/redis.ts';
import { waitFor } from '../../testkit/stack.ts';

const [nats, redis] = await Promise.all([startNats(), startRedis()]);
after(() => Promise.all([nats.stop(), redis.stop()]));

const KEY = { region: 'eu', shard: 0, slug: 'a_b', lane: 'background', size: 'any' } as const;

test('what waits is told from what a worker has, and how long the first of it has waited', async () => {
  const queue = await NatsWorkQueue.connect({ url: nats.url, name: 'queue' });
  const survey = await NatsQueueSurvey.connect(
    { url: nats.url, name: 'survey' },
    { region: 'eu', shards: 1 },
  );
  await assert.rejects(survey.look());
  await queue.ensureWorkStream('eu', 0, { maxMessages: 10, maxBytes: 1e6 });
  await queue.ensureDeadStream('eu');
  await queue.ensureConsumer(KEY, { ackWaitMs: 60_000 });
  await queue.ensureBoundConsumer('eu', 0, 'w-1', { ackWaitMs: 60_000 });
  const publish = (id: string) =>
    queue.publish(sharedAddress(KEY, id), Buffer.from('x'), { messageId: id, ttlMs: 60_000 });
  await publish('r1');
  const deliveries: Delivery[] = [];
  const puller = queue.pull(KEY, delivery => void deliveries.push(delivery));
  puller.bid({ level: 0, batch: 1 });
  await waitFor(() => deliveries.length === 1);
  const before = Date.now();
  await publish('r2');
  await publish('r3');
  await queue.moveToDead(sharedAddress(KEY, 'r1'), { code: 'engine_error', message: 'no' });
  const { queues, streams, deadLetters } = await survey.look();
  const [found] = queues;
  const { oldestAt, ...rest } = found ?? assert.fail('no queue');
  const { region: _, ...key } = KEY;
  assert.deepEqual([queues.length, rest], [1, { ...key, waiting: 2, delivered: 1 }]);
  // The broker's clock is this machine's.
  assert.ok(oldestAt !== null && oldestAt >= before - 5 && oldestAt <= Date.now(), 'that of r2, not of r1');
  const [{ bytes, ...stream } = { bytes: 0 }] = streams;
  assert.deepEqual(stream, { shard: 0, messages: 3, mostMessages: 10, mostBytes: 1e6 });
  assert.ok(bytes > 0);
  assert.equal(deadLetters, 1);
  await Promise.all([queue.close(), survey.close()]);
});

test('Redis tells how full it is, and what it holds that is not finished', async () => {
  const raw = new Redis(redis.url);
  const survey = await RedisStoreSurvey.connect({ url: redis.url, name: 'survey' });
  const empty = await survey.look();
  assert.deepEqual(
    { ...empty, usedBytes: 0 },
    { usedBytes: 0, mostBytes: null, outboxEvents: 0, outboxOldestAt: null, openRuns: 0, openBatches: 0 },
  );
  assert.ok(empty.usedBytes > 0);
  await raw.config('SET', 'maxmemory', '100000000');
  await raw.xadd(EVENT_OUTBOX_KEY, '5000-0', 'type', 'x');
  await raw.xadd(EVENT_OUTBOX_KEY, '6000-0', 'type', 'x');
  const { mostBytes, outboxEvents, outboxOldestAt } = await survey.look();
  assert.deepEqual([mostBytes, outboxEvents, outboxOldestAt], [100_000_000, 2, 5000]);
  raw.disconnect();
  await survey.close();
});
