/** More than the workers can do, on real servers: who is admitted gets the first token in time, and who is not is told so at once. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { countedSdk } from '../../testkit/sdk.ts';
import { API_KEY, chat, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

/** So much of a prompt takes one engine about half a second. */
const WORDS = 5000;
const PATIENCE_MS = 4000;

let stack: Stack;
before(async () => {
  stack = await startStack({
    engines: [{ profile: 'dense-70b-h100x4' }],
    ingressEnv: { PENSTOCK_ADMISSION: 'on' },
  });
});
after(() => stack?.[Symbol.asyncDispose]());

let prompts = 0;
/** No two have a beginning in common: an engine computes each. */
const asked = () => chat(`${prompts++} ${'word '.repeat(WORDS)}`, { stream: true, max_tokens: 1 });

interface Outcome {
  readonly status: number;
  /** Until the first of its body, ms. */
  readonly tookMs: number;
  readonly headers: Headers;
  readonly body: string;
}

async function ask(patienceMs: number): Promise<Outcome> {
  const from = performance.now();
  const response = await fetch(`${stack.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${API_KEY}`,
      'content-type': 'application/json',
      'x-request-timeout-ms': String(patienceMs),
    },
    body: JSON.stringify(asked()),
  });
  const { status, headers } = response;
  const body = await response.text();
  return { status, headers, body, tookMs: performance.now() - from };
}

/** Requests of patient clients, which keep the engine busy for a while. */
function backlog(requests: number): Promise<Outcome[]> {
  return Promise.all(Array.from({ length: requests }, () => ask(600_000)));
}

const openNow = async () =>
  Number(/^penstock_open_requests (\d+)/m.exec(await (await fetch(`${stack.url}/metrics`)).text())?.[1]);

test('of a burst of five times what is done in time, some are admitted and in time, the rest is refused at once', async () => {
  await backlog(8);
  const burst = await Promise.all(Array.from({ length: 40 }, () => ask(PATIENCE_MS)));
  const admitted = burst.filter(({ status }) => status === 200);
  const refused = burst.filter(({ status }) => status === 429);
  assert.equal(admitted.length + refused.length, burst.length);
  assert.ok(admitted.length >= 3, `${admitted.length} were admitted`);
  assert.ok(refused.length >= 20, `${refused.length} were refused`);
  const late = admitted.filter(({ tookMs }) => tookMs > 1.5 * PATIENCE_MS);
  assert.ok(late.length <= admitted.length / 4, `${late.length} of ${admitted.length} were late`);
  const atOnce = refused.filter(({ headers }) => Number(headers.get('openai-processing-ms')) < 500);
  assert.ok(atOnce.length >= 0.7 * refused.length, `${atOnce.length} of ${refused.length} at once`);
  for (const { headers, body } of refused) {
    const { error } = JSON.parse(body);
    assert.deepEqual([error.code, error.type], ['queue_wait_too_long', 'rate_limit_error']);
    assert.ok(Number(headers.get('x-penstock-queue-eta-ms')) > 0);
    const after = Number(headers.get('retry-after'));
    assert.ok(after >= 1 && after <= 60, `${after}`);
  }
  await waitFor(async () => (await openNow()) === 0);
});

test('the SDK comes again when it was told to, and gets its answer', async () => {
  const busy = backlog(20);
  await waitFor(async () => (await openNow()) === 20);
  const { client, attempts } = countedSdk(stack, { maxRetries: 10 });
  const options = { headers: { 'x-request-timeout-ms': String(PATIENCE_MS / 2) } };
  const stream = await client.chat.completions.create(asked() as never, options);
  for await (const _ of stream as unknown as AsyncIterable<unknown>);
  assert.equal(attempts.at(-1)?.status, 200);
  const [first, second] = attempts;
  assert.ok(first?.status === 429 && first.pauseMs !== null && first.pauseMs <= 60_000);
  assert.ok(second !== undefined && second.at - first.at >= first.pauseMs - 5);
  await busy;
});

test('without a worker a request is held, and answered once there is one', async () => {
  const [worker] = stack.workers;
  const waiting = backlog(10);
  await waitFor(async () => (await openNow()) === 10);
  worker?.kill('SIGTERM');
  await worker?.exited;
  const held = ask(20_000);
  await waitFor(async () => (await openNow()) >= 2);
  await stack.startWorker(0, 'w-2');
  assert.equal((await held).status, 200);
  for (const { status } of await waiting) assert.equal(status, 200);
});
