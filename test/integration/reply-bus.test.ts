/** The reply bus on a real Redis: every packet, in order, whatever happens to the connections. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RedisReplyBus } from '@penstock/transport';
import { testModelRegistry, testPlacementStore, testReplyBus } from '@penstock/transport/contracts';
import { Redis } from 'ioredis';
import { startFaultyProxy } from '../../testkit/network/faulty-proxy.ts';
import { startRedis } from '../../testkit/redis.ts';
import { waitFor } from '../../testkit/stack.ts';

let redis: Awaited<ReturnType<typeof startRedis>>;
let hints: RedisReplyBus;
before(async () => {
  redis = await startRedis();
  hints = await RedisReplyBus.connect({ url: redis.url, name: 'hints' });
});
after(async () => {
  await hints.close();
  await redis.stop();
});

testReplyBus(async () => {
  const [listener, publisher] = await Promise.all(
    ['listener', 'publisher'].map(name => RedisReplyBus.connect({ url: redis.url, name })),
  );
  assert.ok(listener !== undefined && publisher !== undefined);
  return { listener, publisher };
});
testModelRegistry(() => hints.models);
testPlacementStore(() => hints.placements);

/** Publishes 0…count-1 while `disturb` does its worst, and returns what the listener heard. */
async function heardDuring(ingress: string, count: number, disturb: (i: number) => Promise<void> | void) {
  const listener = await RedisReplyBus.connect({ url: redis.url, name: `listener-${ingress}` });
  const publisher = await RedisReplyBus.connect({ url: redis.url, name: `publisher-${ingress}` });
  const heard: number[] = [];
  let done = () => {};
  const all = new Promise<void>(resolve => {
    done = resolve;
  });
  await listener.listen(ingress, packet => {
    heard.push(packet.readUInt32BE(0));
    if (new Set(heard).size === count) done();
  });
  const sent: Promise<void>[] = [];
  for (let i = 0; i < count; i++) {
    const packet = Buffer.alloc(100);
    packet.writeUInt32BE(i);
    sent.push(publisher.publish(ingress, packet));
    if (i % 10 === 0) await sent.at(-1);
    await disturb(i);
  }
  await Promise.all(sent);
  await all;
  await Promise.all([listener.close(), publisher.close()]);
  return heard;
}

/** First hearings only: a resent command may be logged twice, which readers drop by sequence. */
function firsts(heard: number[]): number[] {
  return [...new Set(heard)];
}

test('cut connections lose nothing and reorder nothing', async t => {
  const admin = new Redis(redis.url);
  t.after(() => admin.disconnect());
  const heard = await heardDuring('cut', 2000, async i => {
    if (i % 200 === 100) await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    if (i % 200 === 150) await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  });
  assert.deepEqual(firsts(heard), [...Array(2000).keys()]);
});

test('a killed and restarted Redis loses nothing that was confirmed', async () => {
  const heard = await heardDuring('restart', 300, i => (i === 150 ? redis.restart() : undefined));
  assert.deepEqual(firsts(heard), [...Array(300).keys()]);
});

test('what Redis refuses for a while arrives, also where it is the last of a stream', async t => {
  const admin = new Redis(redis.url);
  t.after(() => admin.disconnect());
  const [listener, publisher] = await Promise.all(
    ['refused-l', 'refused-p'].map(name => RedisReplyBus.connect({ url: redis.url, name })),
  );
  assert.ok(listener !== undefined && publisher !== undefined);
  const heard: string[] = [];
  await listener.listen('refused', packet => heard.push(String(packet)));
  await publisher.publish('refused', Buffer.from('0'));
  await admin.call('ACL', 'SETUSER', 'default', '-xadd');
  const sent = ['1', '2', '3'].map(text => publisher.publish('refused', Buffer.from(text)));
  // Refused by now: its answer comes behind theirs.
  await publisher.trails.read('nobody');
  await admin.call('ACL', 'SETUSER', 'default', '+xadd');
  await Promise.all(sent);
  await waitFor(() => heard.length >= 4);
  assert.deepEqual(heard, ['0', '1', '2', '3']);
  await Promise.all([listener.close(), publisher.close()]);
});

test('a Redis that falls silent is noticed, left, and found again by another connection', async () => {
  await using proxy = await startFaultyProxy(redis.url);
  const [listener, publisher] = await Promise.all(
    ['silent-l', 'silent-p'].map(name => RedisReplyBus.connect({ url: proxy.url, name })),
  );
  assert.ok(listener !== undefined && publisher !== undefined);
  const heard: string[] = [];
  await listener.listen('silent', packet => heard.push(String(packet)));
  const changes: boolean[] = [];
  publisher.onConnection(() => changes.push(publisher.connected));
  const heardAgain: boolean[] = [];
  listener.onConnection(() => heardAgain.push(listener.connected));
  await publisher.publish('silent', Buffer.from('before'));
  proxy.silence();
  const meanwhile = publisher.publish('silent', Buffer.from('meanwhile'));
  await waitFor(() => !publisher.connected && !listener.connected);
  proxy.speak();
  await meanwhile;
  await waitFor(() => heard.includes('meanwhile') && publisher.connected && listener.connected);
  assert.deepEqual([...new Set(heard)], ['before', 'meanwhile']);
  assert.deepEqual([changes[0], changes.at(-1)], [false, true]);
  assert.ok(heardAgain.includes(true));
  await Promise.all([listener.close(), publisher.close()]);
});

test('an ingress that reads nothing for a while costs a window of a long answer, and gets all of it afterwards', async t => {
  const admin = new Redis(redis.url);
  t.after(() => admin.disconnect());
  const [listener, publisher, other] = await Promise.all(
    ['lags-l', 'lags-p', 'lags-o'].map(name => RedisReplyBus.connect({ url: redis.url, name })),
  );
  assert.ok(listener !== undefined && publisher !== undefined && other !== undefined);
  const heard: number[] = [];
  await listener.listen('lags', packet => void heard.push(packet.readUInt32BE(0)));
  // What it confirms is refused: so it reads, and nobody knows of it.
  await admin.call('ACL', 'SETUSER', 'default', '-hset');
  const count = 100;
  const packetOf = (i: number) => {
    const packet = Buffer.alloc(200_000);
    packet.writeUInt32BE(i);
    return packet;
  };
  const long = (async () => {
    for (let i = 0; i < count; i++) await publisher.publishPaced('lags', packetOf(i));
  })();
  const unread = async () => {
    const [appended, read] = await admin.hmget('penstock:replymeter:lags', 'appended', 'read');
    return Number(appended ?? 0) - Number(read ?? 0);
  };
  await waitFor(async () => (await unread()) > 1_800_000);
  const first = Buffer.alloc(4);
  first.writeUInt32BE(count);
  await other.publish('lags', first);
  await waitFor(() => heard.includes(count));
  assert.ok(heard.length < 15 && (await unread()) <= 2_200_000, `${heard.length} packets`);
  await admin.call('ACL', 'SETUSER', 'default', '+hset');
  await long;
  await waitFor(() => heard.length > count);
  assert.deepEqual(
    heard.filter(i => i !== count),
    [...Array(count).keys()],
  );
  await waitFor(async () => (await unread()) === 0 && (await admin.xlen('penstock:replylog:lags')) === 0);
  await Promise.all([listener, publisher, other].map(bus => bus.close()));
});
