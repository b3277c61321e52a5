/** A Redis that is away, refuses commands, or falls silent for a worker: nothing hangs, and what was accepted is answered once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import { Redis } from 'ioredis';
import { startFaultyProxy } from '../../testkit/network/faulty-proxy.ts';
import { API_KEY, chat, errorOf, post, readChat, startStack, waitFor } from '../../testkit/stack.ts';

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
  await using proxy = await startFaultyProxy(stack.redis.url);
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

test('while Redis is away requests are refused at the door, and what was accepted before is answered', async () => {
  await using stack = await startStack({ engines: [{ profile: 'dense-8b-h100' }] });
  const stream = readChat(stack, chat('before', { max_tokens: 400 }));
  await waitFor(() => stack.engines[0]?.stats().running === 1);
  await stack.redis.kill();
  await waitFor(async () => (await fetch(`${stack.url}/readyz`)).status === 503);
  const headers = { authorization: `Bearer ${API_KEY}` };
  const get = (path: string) => fetch(`${stack.url}${path}`, { headers, signal: AbortSignal.timeout(500) });
  // What comes at first waits, for Redis may be back at once.
  await waitFor(async () => (await get('/v1/jobs/x')).status === 503);
  const ask = (path: string, body: object, extra = {}) =>
    post(stack, path, { model: 'sim-chat', ...body }, { headers: extra });
  const messages = [{ role: 'user', content: 'x' }];
  const calls = [
    () => ask('/v1/chat/completions', { messages }),
    () => ask('/v1/chat/completions', { messages, stream: true }),
    () => ask('/v1/chat/completions', { messages }, { prefer: 'respond-async' }),
    () => ask('/v1/chat/completions', { messages }, { 'idempotency-key': 'k' }),
    () => ask('/v1/responses', { input: 'x', background: true }),
    () =>
      ask('/v1/batches', {
        input_file_id: 'file-x',
        endpoint: '/v1/chat/completions',
        completion_window: '24h',
      }),
    () => get('/v1/responses/resp_x'),
  ];
  for (const call of calls) {
    const refused = await call();
    assert.deepEqual([refused.status, (await errorOf(refused)).code], [503, 'store_unavailable']);
    assert.ok(Number(refused.headers.get('retry-after')) >= 1);
  }
  assert.equal((await get('/v1/models')).status, 200);
  await stack.redis.start();
  const { tokens, done } = await stream;
  const hash = promptHash({ messages: [{ role: 'user', content: 'before' }] });
  assert.deepEqual([tokens, done], [expectedTokens(hash, 400), true]);
  await waitFor(async () => (await ask('/v1/responses', { input: 'x' })).status === 200);
});
