/** What those see who watch the processes of a stack. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { freePort } from '../../testkit/ports.ts';
import { chat, readChat, startStack, waitFor } from '../../testkit/stack.ts';

const [workerPort, tasksPort] = [await freePort(), await freePort()];
const stack = await startStack({
  engines: [{ timeScale: 10 }],
  workerEnv: { PENSTOCK_METRICS_PORT: String(workerPort) },
  tasksEnv: { PENSTOCK_METRICS_PORT: String(tasksPort) },
});
after(() => stack[Symbol.asyncDispose]());
const worker = `http://127.0.0.1:${workerPort}`;
const tasks = `http://127.0.0.1:${tasksPort}`;
const text = async (url: string) => (await fetch(url)).text();

test('a worker shows that it is ready, and what it did', async () => {
  await waitFor(async () => (await fetch(`${worker}/readyz`)).ok);
  const { done, tokens } = await readChat(stack, chat('Hello', { max_tokens: 5 }));
  assert.ok(done && tokens.length > 0);
  await waitFor(async () =>
    /attempts_total\{model="sim-chat",outcome="done"\} 1\n/.test(await text(`${worker}/metrics`)),
  );
  const shown = await text(`${worker}/metrics`);
  assert.match(shown, /^penstock_engine_healthy 1$/m);
  assert.match(shown, /^penstock_worker_deliveries_total\{outcome="taken"\} 1$/m);
  assert.match(shown, /^penstock_engine_time_to_first_token_seconds_count\{model="sim-chat"\} 1$/m);
  assert.match(shown, /^penstock_worker_bid_level\{lane="interactive",size="short"\} \d$/m);
  const ingress = await text(`${stack.url}/metrics`);
  const labels = String.raw`\{model="sim-chat",lane="interactive"\}`;
  for (const name of ['time_to_first_token', 'request_queue_time', 'e2e_request_latency'])
    assert.match(ingress, new RegExp(`^penstock_${name}_seconds_count${labels} 1$`, 'm'));
  assert.match(ingress, /^penstock_model_workers\{model="sim-chat"\} 1$/m);
});

test('a tasks process shows that it is ready, and what it sees of the region', async () => {
  await waitFor(async () => (await fetch(`${tasks}/readyz`)).ok);
  await waitFor(async () => /^penstock_queue_size\{/m.test(await text(`${tasks}/metrics`)));
  const shown = await text(`${tasks}/metrics`);
  assert.match(shown, /^penstock_queue_size\{model="sim-chat",lane="interactive"\} 0$/m);
  assert.match(shown, /^penstock_queue_oldest_age_seconds\{model="sim-chat",lane="interactive"\} 0$/m);
  assert.match(shown, /^penstock_stream_limit_bytes\{shard="0"\} 2147483648$/m);
  assert.match(shown, /^penstock_redis_used_bytes \d+$/m);
  assert.match(shown, /^penstock_webhook_deliveries\{state="waiting"\} 0$/m);
  for (const name of ['dead_letters', 'webhook_outbox_events', 'webhook_outbox_age_seconds', 'batches_open'])
    assert.match(shown, new RegExp(`^penstock_${name} 0$`, 'm'));
});

test('a worker whose engine is away says so, and the fleet has one less', async () => {
  await stack.engines[0]?.close();
  await waitFor(async () => (await fetch(`${worker}/readyz`)).status === 503);
  assert.match(await text(`${worker}/readyz`), /the engine is sick/);
  assert.equal((await fetch(`${worker}/livez`)).status, 200);
  await waitFor(async () =>
    /^penstock_model_workers\{model="sim-chat"\} 0$/m.test(await text(`${stack.url}/metrics`)),
  );
});
