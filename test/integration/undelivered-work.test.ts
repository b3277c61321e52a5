/** Messages that a real nats-server delivers to nobody any more. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { sharedAddress, type WorkQueueKey, workConsumer, workStream } from '@penstock/protocol';
import { type Delivery, NatsWorkQueue } from '@penstock/transport';
import { startNats } from '../../testkit/nats.ts';
import { waitFor } from '../../testkit/stack.ts';

const KEY: WorkQueueKey = { region: 'eu', shard: 0, slug: 'm', lane: 'batch', size: 'any' };
const EARLIER: WorkQueueKey = { ...KEY, slug: 'earlier' };

const nats = await startNats();
after(() => nats.stop());

test('what was delivered as often as an earlier version let it be is found, and not while others only wait for their ack', async t => {
  const queue = await NatsWorkQueue.connect({ url: nats.url, name: 'tasks' });
  const operator = await connect({ servers: nats.url });
  t.after(() => Promise.all([queue.close(), operator.close()]));
  await queue.ensureWorkStream('eu', 0, { maxMessages: 1000, maxBytes: 1e8 });
  for (const key of [KEY, EARLIER]) await queue.ensureConsumer(key, { ackWaitMs: 60_000 });
  const { consumers } = await jetstreamManager(operator);
  await consumers.update(workStream('eu', 0), workConsumer(EARLIER), { max_deliver: 3 });
  const put = (key: WorkQueueKey, id: string) =>
    queue.publish(sharedAddress(key, id), Buffer.from(id), { messageId: id, ttlMs: 600_000 });
  const found = async () => (await queue.undelivered('eu', 0)).map(({ slug, id }) => `${slug} ${id}`);
  const taken: Delivery[] = [];
  const running = queue.pull(KEY, delivery => void taken.push(delivery));
  running.bid({ level: 0, batch: 1 });
  for (const id of ['a', 'b']) await put(KEY, id);
  await waitFor(() => taken.length === 1);
  assert.deepEqual(await found(), []);

  let deliveries = 0;
  const refusing = queue.pull(EARLIER, ({ ackSubject }) => {
    deliveries++;
    queue.settle(ackSubject, 'nak');
    refusing.bid({ level: 0, batch: 1 });
  });
  refusing.bid({ level: 0, batch: 1 });
  await put(EARLIER, 'lost');
  await waitFor(() => deliveries === 3);
  await waitFor(async () => (await found()).length === 1);
  // It stays so with today's configuration.
  await queue.ensureConsumer(EARLIER, { ackWaitMs: 60_000 });
  assert.deepEqual(await found(), ['earlier lost']);
  await Promise.all([running.stop(), refusing.stop()]);
});
