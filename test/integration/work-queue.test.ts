/** The work queue on a real nats-server: the promises of libs/transport/ports/queue. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  boundConsumer,
  boundSubject,
  type WorkQueueKey,
  workConsumer,
  workStream,
  workSubject,
} from '@penstock/protocol';
import { type Delivery, NatsWorkQueue } from '@penstock/transport';
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
  queue.publish(workSubject(key(model), id), Buffer.from(id), { messageId: id, ttlMs: 60_000 });

before(async () => {
  nats = await startNats();
  queue = await NatsWorkQueue.connect({ url: nats.url, name: 'test' });
  await queue.ensureWorkStream('eu', 0, { maxMessages: 1000, maxBytes: 100_000_000 });
});
after(async () => {
  await queue.close();
  await nats.stop();
});

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

test('streams and consumers are made once and again without complaint', async () => {
  await queue.ensureWorkStream('eu', 0, { maxMessages: 1000, maxBytes: 100_000_000 });
  await queue.ensureConsumer(key('twice'), { ackWaitMs: 5000 });
  await queue.ensureConsumer(key('twice'), { ackWaitMs: 6000 });
});

test('the lowest level is served first', async () => {
  await queue.ensureConsumer(key('levels'), { ackWaitMs: 5000 });
  const slow = collector(2);
  const fast = collector(3);
  const a = queue.pull(key('levels'), slow.take);
  const b = queue.pull(key('levels'), fast.take);
  a.bid({ level: 5, batch: 8 });
  b.bid({ level: 1, batch: 3 });
  // The broker has both pulls once it answers a later request of the same connection.
  await queue.queueState(key('levels'));
  for (const id of ['l1', 'l2', 'l3', 'l4', 'l5']) await publish('levels', id);
  await Promise.all([slow.all, fast.all]);
  assert.deepEqual(
    fast.taken.map(d => Buffer.from(d.data).toString()),
    ['l1', 'l2', 'l3'],
  );
  assert.ok(fast.taken.every(d => d.deliveryCount === 1));
  for (const d of [...slow.taken, ...fast.taken]) queue.settle(d.ackSubject, 'ack');
  await Promise.all([a.stop(), b.stop()]);
});

test('a changed level revokes the old pull and strands nothing', async () => {
  await queue.ensureConsumer(key('revoke'), { ackWaitMs: 60_000 });
  const got = new Map<string, number>();
  const all = collector(200);
  const take = (delivery: Delivery) => {
    const id = Buffer.from(delivery.data).toString();
    got.set(id, (got.get(id) ?? 0) + 1);
    queue.settle(delivery.ackSubject, 'ack');
    all.take(delivery);
  };
  const pullers = [queue.pull(key('revoke'), take), queue.pull(key('revoke'), take)];
  const publishing = Promise.all(Array.from({ length: 200 }, (_, i) => publish('revoke', `r${i}`)));
  let level = 0;
  const flips = setInterval(() => {
    level = (level + 1) % 10;
    for (const puller of pullers) puller.bid({ level, batch: 50 });
  }, 1);
  await publishing;
  await all.all;
  clearInterval(flips);
  assert.equal(got.size, 200);
  assert.ok([...got.values()].every(times => times === 1));
  await Promise.all(pullers.map(puller => puller.stop()));
});

test('a purge takes back what is queued; a repeated publish is stored once', async () => {
  await queue.ensureConsumer(key('purge'), { ackWaitMs: 5000 });
  await publish('purge', 'p1');
  await publish('purge', 'p1');
  await publish('purge', 'p2');
  // The broker counts a moment later than it acknowledges.
  await waitFor(async () => (await queue.queueState(key('purge')))?.pending === 2);
  queue.purge(workStream('eu', 0), workSubject(key('purge'), 'p1'));
  await waitFor(async () => (await queue.queueState(key('purge')))?.pending === 1);
  const one = collector(1);
  const puller = queue.pull(key('purge'), one.take);
  puller.bid({ level: 0, batch: 5 });
  await one.all;
  assert.equal(Buffer.from(one.taken[0]?.data ?? []).toString(), 'p2');
  queue.settle(one.taken[0]?.ackSubject ?? '', 'ack');
  await puller.stop();
});

test('a NAK brings it to another puller with a higher count', async () => {
  await queue.ensureConsumer(key('nak'), { ackWaitMs: 60_000 });
  await publish('nak', 'n1');
  const first = collector(1);
  const a = queue.pull(key('nak'), first.take);
  a.bid({ level: 0, batch: 1 });
  await first.all;
  await a.stop();
  const second = collector(1);
  const b = queue.pull(key('nak'), second.take);
  b.bid({ level: 0, batch: 1 });
  queue.settle(first.taken[0]?.ackSubject ?? '', 'nak');
  await second.all;
  assert.equal(second.taken[0]?.deliveryCount, 2);
  queue.settle(second.taken[0]?.ackSubject ?? '', 'ack');
  await b.stop();
});

test('a full queue refuses with queue_full', async () => {
  await queue.ensureWorkStream('tiny', 0, { maxMessages: 1, maxBytes: 1_000_000 });
  const tiny = { ...key('m'), region: 'tiny' };
  const put = (id: string) =>
    queue.publish(workSubject(tiny, id), Buffer.from('x'), { messageId: id, ttlMs: 1000 });
  await put('t1');
  await assert.rejects(put('t2'), { code: 'queue_full' });
});

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
  assert.equal(new Set(all.taken.map(d => d.subject)).size, 20);
  await puller.stop();
});

test('pulls go on although the broker forgot their consumers', async () => {
  await queue.ensureConsumer(key('forgotten'), { ackWaitMs: 5000 });
  await queue.ensureBoundConsumer('eu', 0, 'w-f', { ackWaitMs: 5000 });
  const { take, taken } = collector(2);
  const pulls = [queue.pull(key('forgotten'), take), queue.pullBound('eu', 0, 'w-f', take)];
  for (const name of [workConsumer(key('forgotten')), boundConsumer('w-f')]) {
    const about = `$JS.API.CONSUMER.DELETE.${workStream('eu', 0)}.${name}`;
    assert.equal((await queue.ask(about, Buffer.from(''), 1000)).kind, 'answer');
  }
  // As after a long while without a pull.
  for (const pull of pulls) pull.bid({ level: 0, batch: 1 });
  await publish('forgotten', 'f1');
  const own = boundSubject(key('forgotten'), 'w-f', 'f2');
  await queue.publish(own, Buffer.from('f2'), { messageId: 'f2', ttlMs: 60_000 });
  await waitFor(() => taken.length === 2);
  for (const delivery of taken) queue.settle(delivery.ackSubject, 'ack');
  await Promise.all(pulls.map(pull => pull.stop()));
});

test('a question to nobody says so', async () => {
  assert.equal((await queue.ask('ctl.ingress.nobody', Buffer.from('{}'), 1000)).kind, 'nobody');
});
