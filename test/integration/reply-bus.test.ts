/** The reply bus on a real Redis: every packet, in order, whatever happens to the connections. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RedisReplyBus } from '@penstock/transport';
import { testModelRegistry, testPlacementStore, testReplyBus } from '@penstock/transport/contracts';
import { Redis } from 'ioredis';
import { startRedis } from '../../testkit/redis.ts';

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
