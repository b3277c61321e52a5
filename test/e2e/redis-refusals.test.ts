/** A Redis that refuses what workers say, or that falls silent for one of them: no stream waits for its deadline, none is repeated. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import { Redis } from 'ioredis';
import { startSilentProxy } from '../../testkit/network/silent-proxy.ts';
import { chat, readChat, startStack, waitFor } from '../../testkit/stack.ts';

const STREAMS = 60;
const TOKENS = 40;
const REFUSALS = 6;

test('streams are exact although Redis refuses replies time and again, also their last', async t => {
  await using stack = await startStack({ engines: [{ profile: 'dense-8b-h100' }] });
  const admin = new Redis(stack.redis.url);
  admin.on('error', () => {});
  t.after(() => admin.disconnect());
  const read = async (i: number) => {
    await sleep(20 * i);
    return readChat(stack, chat(`refused ${i}`, { max_tokens: TOKENS }));
  };
  const streams = Promise.all(Array.from({ length: STREAMS }, (_, i) => read(i)));
  for (let i = 0; i < REFUSALS; i++) {
    await sleep(100);
    await admin.call('ACL', 'SETUSER', 'default', '-xadd');
    await sleep(150);
    await admin.call('ACL', 'SETUSER', 'default', '+xadd');
  }
  for (const [i, { tokens, done }] of (await streams).entries()) {
    const hash = promptHash({ messages: [{ role: 'user', content: `refused ${i}` }] });
    assert.deepEqual([tokens, done], [expectedTokens(hash, TOKENS), true], `stream ${i}`);
  }
});

test('a worker that cannot reach Redis leaves all work to the others, until it can', async () => {
  await using stack = await startStack({ engines: [{}, {}] });
  await using proxy = await startSilentProxy(stack.redis.url);
  const [, second] = stack.workers;
  await second?.stop();
  const cutOff = await stack.startWorker(1, 'w-2', { PENSTOCK_REDIS_URL: proxy.url });
  const servedBy = async () => {
    const { headers } = await readChat(stack, chat(`whose ${Math.random()}`, { max_tokens: 4 }));
    return headers.get('x-penstock-worker');
  };
  const says = (words: string) => waitFor(() => cutOff.output.some(line => line.includes(words)));
  proxy.silence();
  await says('cut off from Redis');
  for (let n = 0; n < 10; n++) assert.equal(await servedBy(), 'w-1');
  proxy.speak();
  await says('Redis answers again');
  await waitFor(async () => (await servedBy()) === 'w-2');
});
