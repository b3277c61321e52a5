/** A queue that a real nats-server dropped, because nobody pulled from it for long, and the work that waits there. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, nanos } from '@nats-io/transport-node';
import { watchFleet } from '@penstock/fleet';
import {
  encodeMessage,
  type ModelInfo,
  sharedAddress,
  type WorkQueueKey,
  workConsumer,
  workStream,
} from '@penstock/protocol';
import { DroppedMessages, regionClock } from '@penstock/runtime';
import { type Delivery, NatsQueueSurvey, NatsWorkQueue } from '@penstock/transport';
import { UnservedQueues } from '../../services/tasks/housekeeping/unserved-queues.ts';
import { startNats } from '../../testkit/nats.ts';
import { waitFor } from '../../testkit/stack.ts';

const KEY: WorkQueueKey = { region: 'eu', shard: 0, slug: 'big', lane: 'interactive', size: 'short' };
const MODEL = { name: 'big', slug: 'big', created: 0, ownedBy: 'x', architecture: null, endpoints: ['chat'] };

const nats = await startNats();
after(() => nats.stop());

test('work that waits where all workers left long ago is seen, and the next worker gets it', async t => {
  const queue = await NatsWorkQueue.connect({ url: nats.url, name: 'tasks' });
  const survey = await NatsQueueSurvey.connect(
    { url: nats.url, name: 'survey' },
    { region: 'eu', shards: 1 },
  );
  const operator = await connect({ servers: nats.url });
  t.after(() => Promise.all([queue.close(), survey.close(), operator.close()]));
  await queue.ensureWorkStream('eu', 0, { maxMessages: 1000, maxBytes: 1e8 });
  await queue.ensureDeadStream('eu');
  await queue.ensureConsumer(KEY, { ackWaitMs: 60_000 });
  const { consumers } = await jetstreamManager(operator);
  await consumers.update(workStream('eu', 0), workConsumer(KEY), { inactive_threshold: nanos(100) });
  await queue.publish(sharedAddress(KEY, 'r1'), Buffer.from('x'), { messageId: 'r1', ttlMs: 600_000 });
  await waitFor(async () => (await survey.look()).queues.length === 0);

  const fleet = await watchFleet({
    ...{ region: 'eu', shards: 1, channel: queue, clock: regionClock, rand: Math.random },
    dropped: new DroppedMessages(),
    registry: {
      list: async () => [encodeMessage(MODEL as ModelInfo)],
      ...{ announce: async () => {}, remove: async () => {} },
    },
  });
  await waitFor(() => fleet.unservedModels().length > 0);
  const log = { info() {}, warn: assert.fail } as never;
  const queues = new UnservedQueues({
    ...{ fleet, queue, region: 'eu', shards: 1, watch: { failed: assert.fail }, log },
  });
  await queues.look();
  await waitFor(async () => (await survey.look()).queues.some(({ waiting }) => waiting === 1));
  assert.equal((await survey.look()).queues.length, 5);

  // Its lease is longer than what the queue was made with.
  await queue.ensureConsumer(KEY, { ackWaitMs: 60_000 });
  await queues.look();
  const { config } = await consumers.info(workStream('eu', 0), workConsumer(KEY));
  assert.deepEqual([config.ack_wait, config.inactive_threshold], [nanos(60_000), nanos(48 * 3_600_000)]);
  const taken: Delivery[] = [];
  const puller = queue.pull(KEY, delivery => void taken.push(delivery));
  puller.bid({ level: 0, batch: 1 });
  await waitFor(() => taken.length === 1);
  await puller.stop();
});
