/** Cancelling what is queued, running or over: once, twice, and while it ends by itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ask,
  assertGapless,
  bodyOf,
  eventsOf,
  type ResponseBody,
  type ResponseEvent,
  readEvents,
  saidTo,
  textOf,
} from '../../testkit/responses.ts';
import { API_KEY, chat, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const OTHER_KEY = 'sk-penstock-other-key';
const background = (input: string, tokens: number) => ({
  ...{ model: 'sim-chat', input, background: true, max_output_tokens: tokens },
});
const FINAL = ['completed', 'incomplete', 'failed', 'cancelled'];

const make = (stack: Stack, input: string, tokens: number, extra: object = {}) =>
  bodyOf(ask(stack.url, '/v1/responses', { json: { ...background(input, tokens), ...extra } }));
const get = (stack: Stack, id: string) => bodyOf(ask(stack.url, `/v1/responses/${id}`));
const cancel = (url: string, id: string) => ask(url, `/v1/responses/${id}/cancel`, { method: 'POST' });

function assertCancelled(body: ResponseBody): void {
  assert.equal(body.status, 'cancelled');
  assert.equal(body.completed_at, null);
  assert.equal(body.usage, null);
  assert.equal(body.error, null);
}

test('cancelling', async t => {
  await using stack = await startStack({
    engines: [{ profile: 'dense-8b-h100' }],
    ingressEnv: { PENSTOCK_API_KEYS: `${API_KEY},${OTHER_KEY}` },
    leaseMs: 2000,
  });
  const other = await stack.addIngress('in-2');
  const [engine] = stack.engines;

  await t.test(
    'a cancel while it runs keeps the partial output, tells a live reader and stops the engine',
    async () => {
      const { id } = await make(stack, 'Running', 5000);
      const seen: ResponseEvent[] = [];
      const aborted = engine?.stats().aborted ?? 0;
      for await (const event of eventsOf(await ask(other.url, `/v1/responses/${id}?stream=true`))) {
        if (event !== null) seen.push(event);
        if (seen.length === 12) assertCancelled(await bodyOf(cancel(stack.url, id)));
      }
      const last = seen.at(-1);
      assert.equal(last?.type, 'error');
      assert.equal(last?.code, 'response_cancelled');
      assertGapless(seen);
      await waitFor(() => (engine?.stats().aborted ?? 0) > aborted);
      const body = await get(stack, id);
      assertCancelled(body);
      const [item] = body.output;
      assert.equal(item?.status, 'incomplete');
      const kept = item?.content?.[0]?.text ?? '';
      assert.equal(kept, textOf(seen));
      assert.ok(kept.length > 0 && saidTo('Running', 5000).startsWith(kept));
      assert.deepEqual(await readEvents(ask(stack.url, `/v1/responses/${id}?stream=true`)), seen);
    },
  );

  await t.test('a second cancel, on another node, changes nothing', async () => {
    const { id } = await make(stack, 'Twice', 5000);
    await waitFor(async () => (await get(stack, id)).status === 'in_progress');
    const first = await bodyOf(cancel(stack.url, id));
    const second = await bodyOf(cancel(other.url, id));
    assertCancelled(first);
    assert.deepEqual(second, first);
  });

  await t.test('a cancel after the end changes nothing', async () => {
    const { id } = await make(stack, 'Finished', 16);
    await waitFor(async () => (await get(stack, id)).status === 'incomplete');
    const before = await get(stack, id);
    assert.equal(before.incomplete_details?.reason, 'max_output_tokens');
    const answer = await cancel(stack.url, id);
    assert.equal(answer.status, 200);
    assert.deepEqual(await bodyOf(answer), before);
  });

  await t.test('a cancel racing the end leaves one final state', async () => {
    const states = new Set<string>();
    const tokens = 16;
    const runs = Array.from({ length: 24 }, async (_, i) => {
      const { id } = await make(stack, `Race ${i}`, tokens);
      await new Promise(resolve => setTimeout(resolve, i * 12));
      const told = await bodyOf(cancel(i % 2 === 0 ? stack.url : other.url, id));
      await waitFor(async () => FINAL.includes((await get(stack, id)).status));
      const settled = await get(stack, id);
      if (FINAL.includes(told.status)) assert.equal(settled.status, told.status);
      const events = await readEvents(ask(stack.url, `/v1/responses/${id}?stream=true`));
      const ends = events.filter(({ type }) =>
        /^(error|response\.(completed|incomplete|failed))$/.test(type),
      );
      assert.equal(ends.length, 1);
      assert.equal(ends[0]?.type === 'error', settled.status === 'cancelled');
      assert.deepEqual(await get(stack, id), settled);
      states.add(settled.status);
    });
    await Promise.all(runs);
    assert.ok(states.has('incomplete') || states.has('cancelled'));
  });

  await t.test('a cancel takes no body, an empty object, or any JSON', async () => {
    for (const body of [undefined, '', '{}', '{"model":"x","reason":1}']) {
      const { id } = await make(stack, `Body ${body}`, 5000);
      const init = body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } };
      const answer = await ask(stack.url, `/v1/responses/${id}/cancel`, { method: 'POST', ...init });
      assert.equal(answer.status, 200, `body ${body}`);
      assertCancelled(await bodyOf(answer));
    }
  });

  await t.test('an unknown id and one of another tenant are the same 404', async () => {
    const { id } = await make(stack, 'Mine', 16);
    const foreign = id.replace('resp_', '');
    for (const [path, init] of [
      ['', {}],
      ['?stream=true', {}],
      ['/input_items', {}],
      ['/cancel', { method: 'POST' }],
      ['', { method: 'DELETE' }],
    ] as const) {
      const [theirs, unknown] = await Promise.all(
        [id, 'resp_nobody'].map(async asked => {
          const answer = await ask(stack.url, `/v1/responses/${asked}${path}`, { ...init, key: OTHER_KEY });
          const { error } = (await answer.json()) as { error: { message: string } };
          return { status: answer.status, ...error };
        }),
      );
      assert.equal(theirs?.status, 404);
      assert.equal(theirs?.message, `Response with id '${id}' not found.`);
      assert.deepEqual({ ...theirs, message: '' }, { ...unknown, message: '' });
    }
    const job = await ask(stack.url, `/v1/jobs/${foreign}`, {});
    assert.equal(job.status, 404, 'nor is a response a job');
  });

  await t.test('a response cancelled while queued never reaches an engine', async () => {
    await stack.workers[0]?.stop();
    const started = engine?.stats().started ?? 0;
    const { id, status } = await make(stack, 'Queued', 16);
    assert.equal(status, 'queued');
    const reader = readEvents(ask(other.url, `/v1/responses/${id}?stream=true`));
    assertCancelled(await bodyOf(cancel(stack.url, id)));
    assert.deepEqual(
      (await reader).map(event => event.type),
      ['response.created', 'response.queued', 'error'],
    );
    assert.deepEqual((await get(stack, id)).output, []);
    stack.workers[0] = await stack.startWorker(0, 'w-next');
    const after = await make(stack, 'After', 16);
    await waitFor(async () => (await get(stack, after.id)).status === 'incomplete');
    assert.equal((engine?.stats().started ?? 0) - started, 1);
    assertCancelled(await get(stack, id));
  });

  await t.test('a response whose time is over before anybody took it has failed', async () => {
    await stack.workers[0]?.stop();
    const asked = await ask(stack.url, '/v1/responses', {
      json: background('Late', 16),
      headers: { 'x-request-timeout-ms': '300' },
    });
    assert.ok(Number(asked.headers.get('openai-poll-after-ms')) <= 300, 'no later than it may fail');
    const { id } = await bodyOf(asked);
    await waitFor(async () => (await get(stack, id)).status === 'failed');
    const body = await get(stack, id);
    assert.equal(body.error?.code, 'server_error');
    const events = await readEvents(ask(stack.url, `/v1/responses/${id}?stream=true`));
    assert.deepEqual(
      events.map(event => event.type),
      ['response.created', 'response.queued', 'response.failed'],
    );
    stack.workers[0] = await stack.startWorker(0, 'w-last');
  });

  await t.test('a job that was cancelled answers its stream with an error', async () => {
    const json = chat('Stream of a job', { max_tokens: 5000, stream: true });
    const asked = await ask(stack.url, '/v1/chat/completions', {
      json,
      headers: { prefer: 'respond-async' },
    });
    const location = asked.headers.get('location') ?? '';
    const reading = ask(stack.url, location).then(answer => answer.text());
    await waitFor(() => (engine?.stats().running ?? 0) > 0);
    await ask(stack.url, `${location}/cancel`, { method: 'POST' });
    assert.match(await reading, /data: \{"error":\{[^\n]*"code":"job_cancelled"\}\}\n\n$/);
  });
});
