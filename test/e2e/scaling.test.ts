/** The scaler on real servers, with the driver that starts real workers: a burst brings workers, nothing is lost, and they go again. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RedisScalerRecords } from '@penstock/transport';
import { startService } from '../../testkit/process.ts';
import { chat, post, readChat, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const POOL = {
  ...{ name: 'burst', models: ['sim-chat'], slots: 5, price: 3, startS: 1 },
  ...{ min: 1, max: 3, zeroAfterS: 600 },
};

let stack: Stack;
let scaler: Awaited<ReturnType<typeof startService>>;
let records: RedisScalerRecords;

before(async () => {
  stack = await startStack({});
  records = await RedisScalerRecords.connect({ url: stack.redis.url, name: 'test' } as never, 'local');
  scaler = await startService(
    'scaler',
    {
      ...{ PENSTOCK_NATS_URL: stack.nats.url, PENSTOCK_REDIS_URL: stack.redis.url },
      ...{ PENSTOCK_POOLS: JSON.stringify([POOL]), PENSTOCK_SCALE_DRIVER: 'process' },
      ...{ PENSTOCK_SCALE_EVERY_MS: '250', PENSTOCK_SCALE_HOLD_S: '2', PENSTOCK_SCALE_START_MS: '500' },
      ...{ PENSTOCK_CONTINUES: 'yes', PENSTOCK_FILES_DIR: stack.filesDir, PENSTOCK_METRICS_PORT: '0' },
    },
    { readyWhen: line => line.includes('scaler started') },
  );
});
after(async () => {
  await scaler?.stop();
  await records?.close();
  await stack?.[Symbol.asyncDispose]();
});

const poolNow = async () => (await records.state())?.pools[0];

test('a burst brings workers, nothing of it is lost, and they drain away again', async () => {
  await waitFor(async () => (await poolNow())?.ready === 1);
  await waitFor(async () => (await post(stack, '/v1/chat/completions', chat('hello'))).ok);
  const burst = Array.from({ length: 24 }, (_, i) => readChat(stack, chat(`tell ${i}`, { max_tokens: 120 })));
  await waitFor(async () => (await poolNow())?.ready === 3);
  const answers = await Promise.all(burst);
  assert.deepEqual(
    answers.filter(({ done, status }) => !done || status !== 200),
    [],
  );
  // One is busy while the others go.
  await waitFor(async () => {
    const pool = await poolNow();
    return pool?.ready === 1 && pool.draining.length === 0;
  }, 60_000);
  const last = await readChat(stack, chat('one more'));
  assert.equal(last.done, true);
  const log = await records.list(100);
  const kinds = log.map(({ kind, reason }) => `${kind} ${reason}`);
  assert.ok(kinds.includes('up panic') || kinds.includes('up load'), kinds.join());
  assert.ok(kinds.includes('down load_fell'), kinds.join());
});
