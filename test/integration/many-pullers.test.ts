/** Two thousand workers pull from one model over two streams; every message is delivered once, to all alike. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharedAddress, type WorkQueueKey } from '@penstock/protocol';
import { type Delivery, NatsWorkQueue } from '@penstock/transport';
import { startNats } from '../../testkit/nats.ts';
import { waitFor } from '../../testkit/stack.ts';

const SHARDS = 2;
const WORKERS = 2000;
const MESSAGES = 4000;
/** Published at the same time: a PubAck that a busy machine is slow to bring counts as lost. */
const PUBLISHED_AT_ONCE = 100;

test('two thousand pullers over two shards take four thousand messages, each once', async t => {
  const nats = await startNats();
  const queue = await NatsWorkQueue.connect({ url: nats.url, name: 'many' });
  t.after(async () => {
    await queue.close();
    await nats.stop();
  });
  const keys: WorkQueueKey[] = Array.from({ length: SHARDS }, (_, shard) => ({
    region: 'local',
    shard,
    slug: 'm',
    lane: 'interactive',
    size: 'short',
  }));
  for (const key of keys) {
    await queue.ensureWorkStream('local', key.shard, { maxMessages: 10_000, maxBytes: 1e8 });
    await queue.ensureConsumer(key, { ackWaitMs: 60_000 });
  }
  const seen = new Map<string, number>();
  const taken = new Array<number>(WORKERS).fill(0);
  const pullers = taken.map((_, worker) => {
    const key = keys[worker % SHARDS] as WorkQueueKey;
    const puller = queue.pull(key, (delivery: Delivery) => {
      seen.set(delivery.address.id, (seen.get(delivery.address.id) ?? 0) + 1);
      taken[worker] = (taken[worker] ?? 0) + 1;
      queue.settle(delivery.ackSubject, 'ack');
      // A worker that has work quotes a higher level.
      puller.bid({ level: Math.min(9, taken[worker] ?? 0), batch: 1 });
    });
    puller.bid({ level: 0, batch: 1 });
    return puller;
  });
  const publish = (i: number) =>
    queue.publish(sharedAddress(keys[i % SHARDS] as WorkQueueKey, `r${i}`), Buffer.from('x'), {
      messageId: `r${i}`,
      ttlMs: 60_000,
    });
  for (let first = 0; first < MESSAGES; first += PUBLISHED_AT_ONCE)
    await Promise.all(Array.from({ length: PUBLISHED_AT_ONCE }, (_, i) => publish(first + i)));
  await waitFor(() => seen.size === MESSAGES);
  assert.ok([...seen.values()].every(count => count === 1));
  const busiest = Math.max(...taken);
  assert.ok(busiest <= 6, `levels keep the work even: the busiest took ${busiest} where the mean is 2`);
  await Promise.all(pullers.map(puller => puller.stop()));
});
