import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { ReplyListener } from './reply-listener.ts';

/** A listener on connections that do what the test says. */
async function startListener(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const entries: [id: string, packet: string][] = [];
  /** Commands that fail from now on. */
  const refuses = new Set<'subscribe' | 'xrange'>();
  const refused = () => Promise.reject(new Error('Connection is closed.'));
  const sub = Object.assign(new EventEmitter(), {
    status: 'ready',
    connect: async () => {},
    disconnect() {},
    subscribe: async () => (refuses.has('subscribe') ? refused() : 1),
  });
  const log = {
    xrevrange: async () => entries.slice(-1).map(([id]) => [id, []]),
    xrangeBuffer: async (_key: string, from: string) => {
      if (refuses.has('xrange')) return refused();
      const after = entries.findIndex(([id]) => `(${id}` === from);
      return entries
        .slice(after + 1)
        .map(([id, packet]) => [Buffer.from(id), [Buffer.from('p'), Buffer.from(packet)]]);
    },
  };
  const got: string[] = [];
  const listener = new ReplyListener(log as unknown as Redis, sub as unknown as Redis, 'in-1', packet =>
    got.push(String(packet)),
  );
  await listener.start();
  t.after(() => listener.stop());
  const pass = async (ms: number) => {
    t.mock.timers.tick(ms);
    await turn();
  };
  const reconnect = async () => {
    sub.emit('close');
    sub.emit('ready');
    await turn();
  };
  const publish = (n: number, isHinted = true) => {
    entries.push([`${n}-0`, `packet ${n}`]);
    if (isHinted) sub.emit('messageBuffer', Buffer.from('c'), Buffer.from(`${n}-0 packet ${n}`));
  };
  return { listener, refuses, got, pass, reconnect, publish };
}

for (const refused of ['subscribe', 'xrange'] as const)
  test(`a listener whose ${refused} is refused after a reconnect is not ready, and tries until it is live`, async t => {
    const { listener, refuses, got, pass, reconnect, publish } = await startListener(t);
    publish(1);
    assert.equal(listener.connected, true);
    refuses.add(refused);
    await reconnect();
    publish(2, false);
    await pass(50);
    await pass(100);
    assert.deepEqual([listener.connected, got], [false, ['packet 1']]);
    refuses.clear();
    await pass(200);
    assert.deepEqual([listener.connected, got], [true, ['packet 1', 'packet 2']]);
    publish(3);
    assert.deepEqual(got.at(-1), 'packet 3');
  });

test('a lost announcement is noticed by the end of the log, also where the first look at it is refused', async t => {
  const { listener, refuses, got, pass, publish } = await startListener(t);
  publish(1, false);
  await pass(1000);
  refuses.add('xrange');
  await pass(1000);
  assert.equal(listener.connected, false);
  refuses.clear();
  await pass(50);
  assert.deepEqual([listener.connected, got], [true, ['packet 1']]);
});

test('a listener that was stopped tries nothing more', async t => {
  const { listener, refuses, got, pass, reconnect, publish } = await startListener(t);
  refuses.add('xrange');
  await reconnect();
  listener.stop();
  refuses.clear();
  publish(1, false);
  await pass(5000);
  assert.deepEqual(got, []);
});
