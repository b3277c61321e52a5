/** The reply bus on a real Redis: every packet, in order, whatever happens to the connections. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RedisReplyBus } from '@penstock/transport';
import { Redis } from 'ioredis';
import { startRedis } from '../../testkit/redis.ts';

let redis: Awaited<ReturnType<typeof startRedis>>;
before(async () => {
  redis = await startRedis();
});
after(() => redis.stop());

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

test('packets arrive once and in order when nothing is wrong', async () => {
  const heard = await heardDuring('calm', 500, () => {});
  assert.deepEqual(heard, [...Array(500).keys()]);
});

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

test('models announced by any worker are listed', async () => {
  const bus = await RedisReplyBus.connect({ url: redis.url, name: 'registry' });
  await bus.announce('eu', 'a', Buffer.from('1'));
  await bus.announce('eu', 'b', Buffer.from('2'));
  assert.deepEqual((await bus.list('eu')).map(String).sort(), ['1', '2']);
  await bus.close();
});
