/** The work queue on a real nats-server: the promises of libs/transport/ports/queue. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import {
  boundConsumer,
  sharedAddress,
  type WorkQueueKey,
  workConsumer,
  workStream,
} from '@penstock/protocol';
import { type Delivery, NatsWorkQueue } from '@penstock/transport';
import { testControlChannel, testWorkQueue } from '@penstock/transport/contracts';
import { startNats } from '../../testkit/nats.ts';
import { waitFor } from '../../testkit/stack.ts';

let nats: Awaited<ReturnType<typeof startNats>>;
let queue: NatsWorkQueue;
const key = (slug: string): WorkQueueKey => ({
  region: 'eu',
  shard: 0,
  slug,
  lane: 'interactive',
  size: 'short',
});
const publish = (model: string, id: string) =>
  queue.publish(sharedAddress(key(model), id), Buffer.from(id), { messageId: id, ttlMs: 60_000 });

before(async () => {
  nats = await startNats();
  queue = await NatsWorkQueue.connect({ url: nats.url, name: 'test' });
  await queue.ensureWorkStream('eu', 0, { maxMessages: 1000, maxBytes: 100_000_000 });
});
after(async () => {
  await queue.close();
  await nats.stop();
});

testWorkQueue(() => ({ queue, elapse: sleep }));
testControlChannel(() => ({ channel: queue, elapse: sleep }));

/** Collects deliveries and resolves once there are `count`. */
function collector(count: number) {
  const taken: Delivery[] = [];
  let done = () => {};
  const all = new Promise<void>(resolve => {
    done = resolve;
  });
  return {
    taken,
    all,
    take: (delivery: Delivery) => {
      if (taken.push(delivery) === count) done();
    },
  };
}

test('pulls go on after the broker was killed and came back; nothing stored is lost', async () => {
  await queue.ensureConsumer(key('restart'), { ackWaitMs: 1000 });
  const all = collector(20);
  const puller = queue.pull(key('restart'), delivery => {
    queue.settle(delivery.ackSubject, 'ack');
    all.take(delivery);
  });
  puller.bid({ level: 3, batch: 100 });
  await queue.queueState(key('restart'));
  await nats.restart();
  for (let i = 0; i < 20; i++) {
    // Publishing fails cleanly until the connection is back.
    while (
      !(await publish('restart', `k${i}`).then(
        () => true,
        () => false,
      ))
    )
      await new Promise(r => setImmediate(r));
  }
  await all.all;
  assert.equal(new Set(all.taken.map(d => d.address.id)).size, 20);
  await puller.stop();
});

test('pulls go on although the broker forgot their consumers', async () => {
  await queue.ensureConsumer(key('forgotten'), { ackWaitMs: 5000 });
  await queue.ensureBoundConsumer('eu', 0, 'w-f', { ackWaitMs: 5000 });
  const { take, taken } = collector(2);
  const pulls = [queue.pull(key('forgotten'), take), queue.pullBound('eu', 0, 'w-f', take)];
  const operator = await connect({ servers: nats.url });
  const { consumers } = await jetstreamManager(operator);
  for (const name of [workConsumer(key('forgotten')), boundConsumer('w-f')])
    assert.ok(await consumers.delete(workStream('eu', 0), name));
  await operator.close();
  // As after a long while without a pull.
  for (const pull of pulls) pull.bid({ level: 0, batch: 1 });
  await publish('forgotten', 'f1');
  const own = { ...sharedAddress(key('forgotten'), 'f2'), worker: 'w-f' };
  await queue.publish(own, Buffer.from('f2'), { messageId: 'f2', ttlMs: 60_000 });
  await waitFor(() => taken.length === 2);
  for (const delivery of taken) queue.settle(delivery.ackSubject, 'ack');
  await Promise.all(pulls.map(pull => pull.stop()));
});

test('a stream that the broker lost with its disk is made again, and what is published meanwhile waits for it', async () => {
  const operator = await connect({ servers: nats.url });
  const { streams } = await jetstreamManager(operator);
  assert.ok(await streams.delete(workStream('eu', 0)));
  await Promise.all(['g1', 'g2'].map(id => publish('gone', id)));
  assert.equal((await streams.info(workStream('eu', 0))).config.max_msgs, 1000);
  assert.equal(queue.unavailable, null);
  await operator.close();
});

test('a server that wants a password gets the one in its URL, and a wrong one is not told', async t => {
  const guarded = await startNats('8MB', 'authorization { user: penstock, password: "p@ss w%rd" }');
  t.after(() => guarded.stop());
  const dial = (login: string) =>
    NatsWorkQueue.connect({ url: guarded.url.replace('nats://', `nats://${login}`), name: 'guarded' });
  const own = await dial('penstock:p%40ss%20w%25rd@');
  assert.equal(own.connected, true);
  await own.close();
  for (const login of ['', 'penstock:s3cret@', 's3cret@'])
    await assert.rejects(
      () => dial(login),
      (err: Error) => /Authorization Violation/.test(err.message) && !err.message.includes('s3cret'),
      login,
    );
});

test('a worker has an ingress make its consumers and keep its dead letters, and does it itself where none does', async t => {
  const worker = await NatsWorkQueue.connect({ url: nats.url, name: 'worker', served: 'eu' });
  const operator = await connect({ servers: nats.url });
  t.after(() => Promise.all([worker.close(), operator.close()]));
  const { consumers, streams } = await jetstreamManager(operator);
  const waitOf = async (slug: string) =>
    (await consumers.info(workStream('eu', 0), workConsumer(key(slug)))).config.ack_wait;
  await worker.ensureConsumer(key('by-itself'), { ackWaitMs: 7000 });
  assert.equal(await waitOf('by-itself'), 7000e6);

  const troubles: Error[] = [];
  let refused = 0;
  queue.serveWorkers({
    ...{ region: 'eu', shards: 1, ackWaitMs: 4000, trouble: err => troubles.push(err) },
    onRefused: () => void refused++,
  });
  await queue.ensureDeadStream('eu');
  await worker.ensureConsumer(key('by-an-ingress'), { ackWaitMs: 7000 });
  assert.equal(await waitOf('by-an-ingress'), 4000e6);
  await publish('by-an-ingress', 'd1');
  await worker.moveToDead(sharedAddress(key('by-an-ingress'), 'd1'), { code: 'engine_error', message: 'x' });
  const dead = await streams.getMessage('DEAD_eu', { last_by_subj: 'dead.eu.by-an-ingress.d1' });
  assert.equal(dead?.string(), 'd1');

  // What is no order, or of another region or shard, is refused and ends nobody.
  const order = (text: string) => operator.request('ctl.control.eu', text, { timeout: 5000 });
  for (const text of [
    ...[
      '',
      '{',
      'null',
      '[]',
      '{"do":"purge"}',
      '{"do":"queue","shard":0,"slug":"a.>","lane":"batch","size":"any"}',
    ],
    '{"do":"bound","shard":7,"worker":"w-1"}',
    '{"do":"bound","shard":-1,"worker":"w-1"}',
    '{"do":"dead","subject":"work.us.0.a.batch.any.any.x","code":"c","message":"m"}',
    '{"do":"dead","subject":"$JS.API.INFO","code":"c","message":"m"}',
  ])
    assert.equal((await order(text)).string(), '{"done":false}', text);
  assert.deepEqual([troubles, refused], [[], 10]);
  await assert.rejects(worker.ensureBoundConsumer('eu', 9, 'w-1', { ackWaitMs: 1000 }), /could not do it/);
});
