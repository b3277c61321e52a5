/** What every work queue has to keep: admin, publisher and consumer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharedAddress, type WorkQueueKey } from '@penstock/protocol';
import type { Delivery, WorkConsumer } from '../../ports/queue/work-consumer.ts';
import type { WorkQueue } from '../../ports/queue/work-queue.ts';
import { eventually } from '../eventually.ts';
import { testDeadLetters } from './dead-letters.ts';

export interface WorkQueueSubject {
  readonly queue: WorkQueue;
  /** Lets time pass for the broker. */
  elapse(ms: number): Promise<void>;
}

const REGION = 'eu';
const LIMITS = { maxMessages: 1000, maxBytes: 100_000_000 };
const LONG_LEASE = { ackWaitMs: 60_000 };
/** Deliveries of one message: a thousand seconds of a store that refuses. */
const OFTEN = 1200;

const keyOf = (slug: string): WorkQueueKey => ({
  ...{ region: REGION, shard: 0, slug },
  ...({ lane: 'interactive', size: 'short' } as const),
});

const textOf = ({ data }: Delivery) => Buffer.from(data).toString();

function publish({ queue }: WorkQueueSubject, slug: string, id: string, ttlMs = 60_000): Promise<void> {
  return queue.publish(sharedAddress(keyOf(slug), id), Buffer.from(id), {
    messageId: `${slug}-${id}`,
    ttlMs,
  });
}

/** Pulls with one bid and collects what comes. */
function collect(queue: WorkConsumer, slug: string, offer: { level: number; batch: number }) {
  const taken: Delivery[] = [];
  const puller = queue.pull(keyOf(slug), delivery => void taken.push(delivery));
  puller.bid(offer);
  return { taken, puller };
}

/** Registers the tests. @param subject the queue under test; asked for within each test. */
export function testWorkQueue(subject: () => WorkQueueSubject): void {
  testAdmin(subject);
  testQueueState(subject);
  testPurging(subject);
  testPublishing(subject);
  testDeadLetters(subject);
  testLevels(subject);
  testPulling(subject);
  testSettling(subject);
}

function testAdmin(subject: () => WorkQueueSubject): void {
  test('streams and consumers are made once and again without complaint', async () => {
    const { queue } = subject();
    await queue.ensureWorkStream(REGION, 0, LIMITS);
    await queue.ensureWorkStream(REGION, 0, LIMITS);
    await queue.ensureConsumer(keyOf('twice'), { ackWaitMs: 5000 });
    await queue.ensureConsumer(keyOf('twice'), { ackWaitMs: 6000 });
  });

  test('queues without a consumer get one, up to a limit, and what waits there is counted again', async () => {
    const { queue } = subject();
    const keys = ['lost-1', 'lost-2', 'lost-3'].map(slug => ({ ...keyOf(slug), region: 'restored' }));
    const [first, second, third] = keys as [WorkQueueKey, WorkQueueKey, WorkQueueKey];
    const restore = (most: number) => queue.restoreConsumers('restored', 0, keys, { ackWaitMs: 5000, most });
    await assert.rejects(restore(2), 'there is no stream yet');
    await queue.ensureWorkStream('restored', 0, LIMITS);
    await queue.ensureConsumer(first, LONG_LEASE);
    await queue.publish(sharedAddress(second, 'l1'), Buffer.from('x'), { messageId: 'l1', ttlMs: 60_000 });
    assert.equal(await queue.queueState(second), null);
    assert.equal(await restore(2), 1);
    await eventually(async () => (await queue.queueState(second))?.pending === 1);
    assert.deepEqual([await queue.queueState(third), await restore(2)], [null, 0]);
    assert.deepEqual([await restore(100), await restore(100)], [1, 0]);
  });

  test('a request is held while its message is there, wherever it is queued, and as a dead letter', async () => {
    const { queue } = subject();
    await queue.ensureDeadStream(REGION);
    const holds = (id: string) => queue.holds(REGION, 1, id);
    const bound = { ...sharedAddress(keyOf('held'), 'held-2'), worker: 'w-1' };
    assert.equal(await holds('held-1'), false);
    await publish(subject(), 'held', 'held-1');
    await queue.publish(bound, Buffer.from('x'), { messageId: 'held-2', ttlMs: 60_000 });
    assert.deepEqual(
      [await holds('held-1'), await holds('held-2'), await holds('held')],
      [true, true, false],
    );
    await queue.moveToDead(bound, { code: 'engine_error', message: '' });
    for (const address of [sharedAddress(keyOf('held'), 'held-1'), bound]) await queue.clear(address);
    assert.deepEqual([await holds('held-1'), await holds('held-2')], [false, true]);
  });
}

function testQueueState(subject: () => WorkQueueSubject): void {
  test('queues with work are told, also of another stream, while their work waits or is being delivered', async () => {
    const { queue } = subject();
    const keys = [0, 7].map(shard => ({ ...keyOf('busy'), region: 'worked', shard }));
    for (const key of keys) {
      await queue.ensureWorkStream('worked', key.shard, LIMITS);
      await queue.ensureConsumer(key, LONG_LEASE);
      await queue.ensureConsumer({ ...key, slug: 'idle' }, LONG_LEASE);
    }
    const busy = (isAsked = (_shard: number) => true) => queue.queuesWithWork('worked', isAsked);
    assert.deepEqual(await busy(), []);
    for (const key of keys)
      await queue.publish(sharedAddress(key, `w${key.shard}`), Buffer.from('x'), {
        ...{ messageId: `w${key.shard}`, ttlMs: 60_000 },
      });
    await eventually(async () => (await busy()).length === 2);
    assert.deepEqual(new Set(await busy()), new Set(keys));
    const taken: Delivery[] = [];
    const puller = queue.pull(keys[1] as WorkQueueKey, delivery => void taken.push(delivery));
    puller.bid({ level: 0, batch: 1 });
    await eventually(() => taken.length === 1);
    assert.deepEqual(await busy(shard => shard === 7), [keys[1]]);
    queue.settle(taken[0]?.ackSubject ?? '', 'ack');
    await eventually(async () => (await busy()).length === 1);
    await puller.stop();
  });

  test('the state of a queue counts what waits and what was delivered', async () => {
    const { queue } = subject();
    assert.equal(await queue.queueState(keyOf('unknown')), null);
    await queue.ensureConsumer(keyOf('state'), LONG_LEASE);
    const stateIs = (pending: number, delivered: number) =>
      eventually(async () => {
        const state = await queue.queueState(keyOf('state'));
        return state?.pending === pending && state.delivered === delivered;
      });
    const oldest = () => queue.oldestPendingAt(keyOf('state'));
    assert.deepEqual([await oldest(), await queue.oldestPendingAt(keyOf('unknown'))], [null, null]);
    for (const id of ['s1', 's2']) await publish(subject(), 'state', id);
    await stateIs(2, 0);
    const first = await oldest();
    assert.ok(first !== null && first > 0);
    const { taken, puller } = collect(queue, 'state', { level: 0, batch: 1 });
    await stateIs(1, 1);
    const second = await oldest();
    assert.ok(second !== null && second >= first);
    for (const { ackSubject } of taken) queue.settle(ackSubject, 'ack');
    await puller.stop();
    queue.purge(sharedAddress(keyOf('state'), 's2'));
  });
}

function testPurging(subject: () => WorkQueueSubject): void {
  test('a purge takes back what is queued; a repeated publish is stored once', async () => {
    const { queue } = subject();
    const pendingIs = (count: number) =>
      eventually(async () => (await queue.queueState(keyOf('purge')))?.pending === count);
    await queue.ensureConsumer(keyOf('purge'), { ackWaitMs: 5000 });
    for (const id of ['p1', 'p1', 'p2']) await publish(subject(), 'purge', id);
    // The broker counts a moment later than it acknowledges.
    await pendingIs(2);
    queue.purge(sharedAddress(keyOf('purge'), 'p1'));
    await pendingIs(1);
    const { taken, puller } = collect(queue, 'purge', { level: 0, batch: 5 });
    await eventually(() => taken.length === 1);
    assert.deepEqual(taken.map(textOf), ['p2']);
    queue.settle(taken[0]?.ackSubject ?? '', 'ack');
    await puller.stop();
  });

  test('a message can be read, and is gone once it was cleared', async () => {
    const { queue } = subject();
    const at = sharedAddress(keyOf('read'), 'r1');
    await publish(subject(), 'read', 'r1');
    assert.equal(Buffer.from((await queue.read(at)) ?? []).toString(), 'r1');
    await queue.clear(at);
    assert.equal(await queue.read(at), null);
    await queue.publish(at, Buffer.from('again'), { messageId: 'r1-2', ttlMs: 1000 });
    assert.equal(Buffer.from((await queue.read(at)) ?? []).toString(), 'again');
    await queue.clear(at);
  });

  test('a purge takes nothing else with it: what was delivered before still comes again', async () => {
    const { queue, elapse } = subject();
    await queue.ensureConsumer(keyOf('beside'), { ackWaitMs: 500 });
    const { taken, puller } = collect(queue, 'beside', { level: 0, batch: 4 });
    for (const [i, id] of ['kept', 'purged', 'acked'].entries()) {
      await publish(subject(), 'beside', id);
      await eventually(() => taken.length === i + 1);
    }
    const purged = sharedAddress(keyOf('beside'), 'purged');
    queue.purge(purged);
    await eventually(async () => (await queue.read(purged)) === null);
    queue.settle(taken[2]?.ackSubject ?? '', 'ack');
    await elapse(600);
    await eventually(() => taken.length === 4);
    assert.equal(taken.map(textOf)[3], 'kept');
    queue.settle(taken[3]?.ackSubject ?? '', 'ack');
    await puller.stop();
  });
}

function testPublishing(subject: () => WorkQueueSubject): void {
  test('a full queue refuses with queue_full', async () => {
    const { queue } = subject();
    await queue.ensureWorkStream('tiny', 0, { maxMessages: 1, maxBytes: 1_000_000 });
    const tiny = { ...keyOf('m'), region: 'tiny' };
    const put = (id: string) =>
      queue.publish(sharedAddress(tiny, id), Buffer.from('x'), { messageId: id, ttlMs: 1000 });
    await put('t1');
    await assert.rejects(put('t2'), { code: 'queue_full' });
  });

  test('a message whose lifetime is over is not delivered', async () => {
    const { queue, elapse } = subject();
    await queue.ensureConsumer(keyOf('ttl'), LONG_LEASE);
    await publish(subject(), 'ttl', 'ttl1', 1000);
    await elapse(2100);
    const { taken, puller } = collect(queue, 'ttl', { level: 0, batch: 5 });
    await publish(subject(), 'ttl', 'ttl2');
    await eventually(() => taken.length === 1);
    assert.deepEqual(taken.map(textOf), ['ttl2']);
    queue.settle(taken[0]?.ackSubject ?? '', 'ack');
    await puller.stop();
  });

  test('a dead letter is a copy: the message stays until it is settled', async () => {
    const { queue } = subject();
    await queue.ensureDeadStream(REGION);
    const at = sharedAddress(keyOf('dead'), 'd1');
    await publish(subject(), 'dead', 'd1');
    await queue.moveToDead(at, { code: 'engine_error', message: 'a loose\nwire' });
    assert.notEqual(await queue.read(at), null);
    await queue.clear(at);
    // There is nothing left to copy.
    await queue.moveToDead(at, { code: 'engine_error', message: 'a loose\nwire' });
  });
}

function testLevels(subject: () => WorkQueueSubject): void {
  test('the lowest level is served first', async () => {
    const { queue } = subject();
    await queue.ensureConsumer(keyOf('levels'), { ackWaitMs: 5000 });
    const slow = collect(queue, 'levels', { level: 5, batch: 8 });
    const fast = collect(queue, 'levels', { level: 1, batch: 3 });
    // The broker has both pulls once it answers a later request of the same connection.
    await queue.queueState(keyOf('levels'));
    for (const id of ['l1', 'l2', 'l3', 'l4', 'l5']) await publish(subject(), 'levels', id);
    await eventually(() => slow.taken.length === 2 && fast.taken.length === 3);
    assert.deepEqual(fast.taken.map(textOf), ['l1', 'l2', 'l3']);
    assert.ok(fast.taken.every(delivery => delivery.deliveryCount === 1));
    for (const { ackSubject } of [...slow.taken, ...fast.taken]) queue.settle(ackSubject, 'ack');
    await Promise.all([slow.puller.stop(), fast.puller.stop()]);
  });

  test('a changed level revokes the old pull and strands nothing', async () => {
    const { queue } = subject();
    await queue.ensureConsumer(keyOf('revoke'), LONG_LEASE);
    const got = new Map<string, number>();
    const take = (delivery: Delivery) => {
      got.set(textOf(delivery), (got.get(textOf(delivery)) ?? 0) + 1);
      queue.settle(delivery.ackSubject, 'ack');
    };
    const pullers = [queue.pull(keyOf('revoke'), take), queue.pull(keyOf('revoke'), take)];
    const ids = Array.from({ length: 200 }, (_, i) => `r${i}`);
    const publishing = Promise.all(ids.map(id => publish(subject(), 'revoke', id)));
    let level = 0;
    const flips = setInterval(() => {
      level = (level + 1) % 10;
      for (const puller of pullers) puller.bid({ level, batch: 50 });
    }, 1);
    try {
      await publishing;
      await eventually(() => got.size === 200);
    } finally {
      clearInterval(flips);
    }
    assert.ok([...got.values()].every(times => times === 1));
    await Promise.all(pullers.map(puller => puller.stop()));
  });
}

function testPulling(subject: () => WorkQueueSubject): void {
  test('nothing is delivered to a withdrawn bid or a stopped puller', async () => {
    const { queue } = subject();
    await queue.ensureConsumer(keyOf('stopped'), LONG_LEASE);
    const withdrawn = collect(queue, 'stopped', { level: 0, batch: 5 });
    const stopped = collect(queue, 'stopped', { level: 0, batch: 5 });
    withdrawn.puller.bid(null);
    await stopped.puller.stop();
    stopped.puller.bid({ level: 0, batch: 5 });
    const { taken, puller } = collect(queue, 'stopped', { level: 9, batch: 5 });
    await publish(subject(), 'stopped', 'x1');
    await eventually(() => taken.length === 1);
    assert.deepEqual([withdrawn.taken.length, stopped.taken.length], [0, 0]);
    queue.settle(taken[0]?.ackSubject ?? '', 'ack');
    await Promise.all([puller.stop(), withdrawn.puller.stop()]);
  });

  test('bound work goes to its worker only', async () => {
    const { queue } = subject();
    await queue.ensureConsumer(keyOf('bound'), LONG_LEASE);
    await queue.ensureBoundConsumer(REGION, 0, 'w-1', LONG_LEASE);
    const shared = collect(queue, 'bound', { level: 0, batch: 5 });
    const own: Delivery[] = [];
    const puller = queue.pullBound(REGION, 0, 'w-1', delivery => void own.push(delivery));
    puller.bid({ level: 9, batch: 5 });
    const at = { ...sharedAddress(keyOf('bound'), 'b1'), worker: 'w-1' };
    await queue.publish(at, Buffer.from('b1'), { messageId: 'b1', ttlMs: 60_000 });
    await publish(subject(), 'bound', 'b2');
    await eventually(() => own.length === 1 && shared.taken.length === 1);
    assert.deepEqual([...own, ...shared.taken].map(textOf), ['b1', 'b2']);
    for (const { ackSubject } of [...own, ...shared.taken]) queue.settle(ackSubject, 'ack');
    await Promise.all([puller.stop(), shared.puller.stop()]);
  });
}

function testSettling(subject: () => WorkQueueSubject): void {
  test('a NAK brings it to another puller with a higher count', async () => {
    const { queue } = subject();
    await queue.ensureConsumer(keyOf('nak'), LONG_LEASE);
    await publish(subject(), 'nak', 'n1');
    const first = collect(queue, 'nak', { level: 0, batch: 1 });
    await eventually(() => first.taken.length === 1);
    await first.puller.stop();
    const second = collect(queue, 'nak', { level: 0, batch: 1 });
    queue.settle(first.taken[0]?.ackSubject ?? '', 'nak');
    await eventually(() => second.taken.length === 1);
    assert.equal(second.taken[0]?.deliveryCount, 2);
    queue.settle(second.taken[0]?.ackSubject ?? '', 'ack');
    await second.puller.stop();
  });

  test('a message that is handed back is delivered however often that was', async () => {
    const { queue } = subject();
    await queue.ensureConsumer(keyOf('often'), LONG_LEASE);
    await publish(subject(), 'often', 'o1');
    let most = 0;
    const puller = queue.pull(keyOf('often'), ({ ackSubject, deliveryCount }) => {
      most = Math.max(most, deliveryCount);
      queue.settle(ackSubject, deliveryCount < OFTEN ? 'nak' : 'ack');
      puller.bid({ level: 0, batch: 1 });
    });
    puller.bid({ level: 0, batch: 1 });
    await eventually(() => most === OFTEN);
    await puller.stop();
  });

  test('a NAK with a delay, and a lease that runs out, bring it back later', async () => {
    const { queue, elapse } = subject();
    await queue.ensureConsumer(keyOf('later'), { ackWaitMs: 500 });
    await publish(subject(), 'later', 'd1');
    const { taken, puller } = collect(queue, 'later', { level: 0, batch: 5 });
    await eventually(() => taken.length === 1);
    queue.settle(taken[0]?.ackSubject ?? '', 'nak', 200);
    assert.equal(taken.length, 1);
    await elapse(200);
    await eventually(() => taken.length === 2);
    await elapse(500);
    await eventually(() => taken.length === 3);
    assert.deepEqual(
      taken.map(({ deliveryCount }) => deliveryCount),
      [1, 2, 3],
    );
    queue.settle(taken[2]?.ackSubject ?? '', 'term');
    await eventually(async () => (await queue.read(sharedAddress(keyOf('later'), 'd1'))) === null);
    await puller.stop();
  });
}
