import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { NatsRequests, type Reply } from './requests.ts';

/** A connection whose answers a test sends. */
function connection() {
  let heard: (err: null, msg: Msg) => void = () => {};
  const asked: string[] = [];
  const nc = {
    isClosed: () => false,
    subscribe: (_: string, { callback }: { callback: typeof heard }) => {
      heard = callback;
    },
    publish: (_: string, __: Uint8Array, { reply }: { reply: string }) => asked.push(reply),
  };
  const answer = (i: number) =>
    heard(null, { subject: asked[i], data: Buffer.from('yes') } as unknown as Msg);
  return { requests: new NatsRequests(nc as unknown as NatsConnection), answer };
}

test('a request times out while nobody answers, and not because this process was too busy to read the answer', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const { requests, answer } = connection();
  const pass = (ms: number) => {
    now += ms;
    t.mock.timers.tick(50);
  };
  const kindOf = ({ kind }: Reply) => kind;
  const first = requests.ask('a', Buffer.alloc(0), 1000).then(kindOf);
  pass(30_000);
  answer(0);
  assert.equal(await first, 'reply');
  pass(50);
  const second = requests.ask('b', Buffer.alloc(0), 1000).then(kindOf);
  for (let i = 0; i < 21; i++) pass(50);
  answer(1);
  assert.equal(await second, 'timeout');
});
