/**
 * What clients, browsers and load balancers do around a request: paths, keys, names of requests, other origins, health. And the
 * models that they find: adapters that come and go while the engine runs.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { batchesOf, lineOf } from '../../testkit/batches.ts';
import {
  chunk,
  DONE,
  gate,
  type ScriptedEngine,
  startScriptedEngine,
} from '../../testkit/scripted-engine.ts';
import { sdk } from '../../testkit/sdk.ts';
import {
  API_KEY,
  errorOf,
  post,
  type Stack,
  startStack,
  waitFor,
  whenAllHeard,
} from '../../testkit/stack.ts';

const ORIGIN = 'https://app.example';
const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const ASKED = { model: 'scripted', stream: true, messages: [{ role: 'user', content: 'Hi' }] };
const RULES = {
  PENSTOCK_MODEL_ALIASES: 'gpt-4o=scripted',
  PENSTOCK_MODEL_DEFAULTS: '{"scripted":{"temperature":0.5,"top_k":20}}',
  PENSTOCK_MODEL_FALLBACKS: 'absent=scripted',
};
/** Whoever asks for this waits in the engine. */
const HELD = 7;
const held = gate();
const COMPLETION = {
  ...{ id: 'chatcmpl-x', object: 'chat.completion', created: 1, model: 'scripted' },
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
};
let engine: ScriptedEngine;
let stack: Stack;

before(async () => {
  engine = await startScriptedEngine(async function* ({ body }) {
    if (body['stream'] !== true) return yield JSON.stringify(COMPLETION);
    yield chunk({ role: 'assistant', content: 'Hello' });
    if (body['seed'] === HELD) await held.opened;
    yield chunk({}, 'stop') + DONE;
  });
  stack = await startStack({
    engineUrls: [engine.url],
    ingressEnv: { PENSTOCK_CORS_ORIGINS: ORIGIN, ...RULES },
    workerEnv: { PENSTOCK_SLOTS: '1', PENSTOCK_MODEL_LIST_MS: '1000' },
    tasksEnv: RULES,
  });
  await whenAllHeard(stack);
});
after(async () => {
  await stack[Symbol.asyncDispose]();
  await engine.close();
});

const lastHeaders = () => engine.calls.at(-1)?.headers ?? {};

test('a body without a type is taken for JSON, and one with a byte order mark too', async () => {
  const body = Buffer.from(JSON.stringify(ASKED));
  const headers = { authorization: `Bearer ${API_KEY}` };
  const untyped = await fetch(`${stack.url}/v1/chat/completions`, {
    ...{ method: 'POST', headers, body: new Uint8Array(body) },
  });
  assert.equal(untyped.status, 200);
  assert.match(await untyped.text(), /Hello/);
  const marked = await post(stack, '/v1/chat/completions', Buffer.concat([Buffer.from('\uFEFF'), body]));
  assert.equal(marked.status, 200);
  assert.match(await marked.text(), /Hello/);
});

test('a POST arrives whole whatever the base URL was', async () => {
  for (const path of [
    '/v1/chat/completions/',
    '/v1//chat/completions',
    '/v1/v1/chat/completions',
    '/chat/completions',
  ])
    assert.match(await (await post(stack, path, ASKED)).text(), /"Hello".*\[DONE\]/s, path);
  for (const base of ['', '/', '/v1/', '/v1/v1']) {
    const client = sdk(stack);
    client.baseURL = stack.url + base;
    assert.equal((await client.models.list()).data[1]?.id, 'scripted', base);
  }
});

test('the key may come as other providers have it', async () => {
  for (const headers of [{ 'x-api-key': API_KEY }, { 'api-key': API_KEY }])
    assert.equal((await fetch(`${stack.url}/v1/models`, { headers })).status, 200);
});

test("the client's request id comes back, and goes to the engine with the trace", async () => {
  const headers = { 'x-request-id': 'page-7.1', traceparent: PARENT, tracestate: 'a=1', baggage: 'secret=1' };
  const answer = await post(stack, '/v1/chat/completions', ASKED, { headers });
  await answer.text();
  const own = answer.headers.get('x-penstock-request-id');
  assert.equal(answer.headers.get('x-request-id'), 'page-7.1');
  assert.equal(lastHeaders()['x-request-id'], `page-7.1-${own}`);
  assert.deepEqual([lastHeaders()['traceparent'], lastHeaders()['tracestate']], [PARENT, 'a=1']);
  assert.equal(lastHeaders()['baggage'], undefined);
  const refused = await post(stack, '/v1/chat/completions', '{', { headers });
  assert.equal(refused.headers.get('x-request-id'), 'page-7.1');
});

test('without sane names a request has ours, and no trace', async () => {
  const headers = { 'x-request-id': 'a b', traceparent: '00-1-2-3', tracestate: 'a=1' };
  const answer = await post(stack, '/v1/chat/completions', ASKED, { headers });
  await answer.text();
  const own = answer.headers.get('x-penstock-request-id');
  assert.equal(answer.headers.get('x-request-id'), `req_${own}`);
  assert.equal(lastHeaders()['x-request-id'], `req_${own}`);
  assert.equal(lastHeaders()['traceparent'] ?? lastHeaders()['tracestate'], undefined);
});

test('a job passes the names on as well', async () => {
  const headers = { 'x-request-id': 'job-9', traceparent: PARENT, prefer: 'respond-async' };
  const count = engine.calls.length;
  const answer = await post(stack, '/v1/chat/completions', ASKED, { headers });
  assert.deepEqual([answer.status, answer.headers.get('x-request-id')], [202, 'job-9']);
  await waitFor(() => engine.calls.length > count);
  assert.match(String(lastHeaders()['x-request-id']), /^job-9-[a-z2-7]{26}$/);
  assert.equal(lastHeaders()['traceparent'], PARENT);
});

test('a page of a listed origin may read a stream, and its headers', async () => {
  const headers = { origin: ORIGIN };
  const answer = await post(stack, '/v1/chat/completions', ASKED, { headers });
  assert.match(await answer.text(), /\[DONE\]/);
  assert.equal(answer.headers.get('access-control-allow-origin'), ORIGIN);
  assert.match(answer.headers.get('access-control-expose-headers') ?? '', /x-request-id/);
  const other = await post(stack, '/v1/chat/completions', ASKED, {
    headers: { origin: 'https://evil.example' },
  });
  await other.text();
  assert.equal(other.headers.get('access-control-allow-origin'), null);
  assert.equal(other.headers.get('vary'), 'Origin');
});

test('health under the names that load balancers and tools know; HEAD and OPTIONS', async () => {
  const status = async (path: string, method = 'GET') => (await fetch(stack.url + path, { method })).status;
  for (const path of ['/health', '/healthz', '/ping', '/livez', '/readyz', '/version', '/v1', '/'])
    assert.deepEqual([await status(path), await status(path, 'HEAD')], [200, 200], path);
  assert.equal(await status('/v1/chat/completions', 'OPTIONS'), 204);
  const headers = { authorization: `Bearer ${API_KEY}` };
  const head = await fetch(`${stack.url}/v1/models`, { method: 'HEAD', headers });
  assert.deepEqual([head.status, await head.text()], [200, '']);
});

async function modelList(): Promise<Record<string, unknown>[]> {
  const { data } = (await (
    await fetch(`${stack.url}/v1/models`, { headers: { 'x-api-key': API_KEY } })
  ).json()) as {
    data: Record<string, unknown>[];
  };
  return data;
}
/** Without aliases. */
const modelIds = async () =>
  (await modelList()).flatMap(({ id, root }) => (root === 'scripted' ? [] : [id])).join();

test('an adapter appears with what its engine tells of it, and is served', async () => {
  const base = { id: 'scripted', created: 1, owned_by: 'test' };
  engine.models = [
    base,
    { ...base, id: 'lora', root: '/adapters/lora', parent: 'scripted', max_model_len: 4096 },
  ];
  await waitFor(async () => (await modelIds()) === 'lora,scripted');
  const [, lora, scripted] = await modelList();
  assert.deepEqual(lora, {
    ...{ id: 'lora', object: 'model', created: 1, owned_by: 'test' },
    ...{ root: '/adapters/lora', parent: 'scripted', max_model_len: 4096 },
  });
  assert.deepEqual(Object.keys(scripted ?? {}), ['id', 'object', 'created', 'owned_by']);
  assert.match(
    await (await post(stack, '/v1/chat/completions', { ...ASKED, model: 'lora' })).text(),
    /\[DONE\]/,
  );
});

test('what waits for an adapter that is unloaded is refused as such, calls and jobs alike; the others go on', async () => {
  const running = await post(stack, '/v1/chat/completions', { ...ASKED, seed: HELD });
  // The only slot is taken: the rest waits in the queue.
  const asked = { ...ASKED, model: 'lora' };
  const waiting = [
    post(stack, '/v1/chat/completions', asked),
    post(stack, '/v1/chat/completions', { ...asked, stream: false }),
  ];
  const job = await post(
    stack,
    '/v1/chat/completions',
    { ...asked, stream: false },
    { headers: { prefer: 'respond-async' } },
  );
  assert.equal(job.status, 202);
  engine.models = engine.models.slice(0, 1);
  await waitFor(async () => (await modelIds()) === 'scripted');
  for (const answer of await Promise.all(waiting)) {
    assert.equal(answer.status, 404);
    assert.equal((await errorOf(answer)).code, 'model_not_found');
  }
  const location = job.headers.get('location') ?? '';
  const fetched = () => fetch(stack.url + location, { headers: { 'x-api-key': API_KEY } });
  await waitFor(async () => (await fetched()).status !== 202);
  const end = await fetched();
  assert.deepEqual([end.status, (await errorOf(end)).code], [404, 'model_not_found']);
  const refused = await post(stack, '/v1/chat/completions', asked);
  assert.deepEqual([refused.status, (await errorOf(refused)).code], [404, 'model_not_found']);
  held.open();
  assert.match(await running.text(), /\[DONE\]/, 'the other model was not disturbed');
});

test('a request that reaches an engine which has just lost its model is told the same', async () => {
  const base = engine.models;
  engine.models = [...base, { id: 'ghost' }];
  await waitFor(async () => (await modelIds()) === 'ghost,scripted');
  engine.models = base;
  const answer = await post(stack, '/v1/chat/completions', { ...ASKED, model: 'ghost' });
  assert.deepEqual([answer.status, (await errorOf(answer)).code], [404, 'model_not_found']);
});

const ALIASED = { ...ASKED, model: 'gpt-4o', temperature: 0.9 };
const asSent = (stream: boolean) => ({ ...ASKED, stream, model: 'scripted', temperature: 0.9, top_k: 20 });

test('an alias is served by its model, whose name is in everything that is told of the answer', async () => {
  const listed = (await modelList()).find(({ id }) => id === 'gpt-4o');
  assert.equal(listed?.['root'], 'scripted');
  const answer = await post(stack, '/v1/chat/completions', { ...ALIASED, stream: false });
  assert.equal(((await answer.json()) as { model: string }).model, 'scripted');
  assert.equal(answer.headers.get('x-penstock-model'), 'scripted');
  assert.deepEqual(engine.calls.at(-1)?.body, asSent(false), 'with the defaults that the client left out');
  const client = sdk(stack);
  const response = await client.responses.create({ model: 'gpt-4o', input: 'Hi' });
  assert.deepEqual([response.model, response.output_text], ['scripted', 'Hello']);
  const job = await post(stack, '/v1/chat/completions', ALIASED, { headers: { prefer: 'respond-async' } });
  assert.equal(((await job.json()) as { model: string }).model, 'scripted');
});

test('a model without a worker is served by the one that stands in, which the answer names', async () => {
  const answer = await post(stack, '/v1/chat/completions', { ...ASKED, model: 'absent', stream: false });
  assert.deepEqual([answer.status, answer.headers.get('x-penstock-model')], [200, 'scripted']);
  assert.equal(((await answer.json()) as { model: string }).model, 'scripted');
});

test('aliases, defaults and fallbacks are for batches too', async () => {
  const { begin, whenOver, linesOf } = batchesOf(sdk(stack));
  const count = engine.calls.length;
  const lines = [
    { ...ALIASED, stream: false },
    { ...ASKED, stream: false, model: 'absent' },
  ];
  const batch = await begin(lines.map((body, i) => lineOf(`l${i}`, body)).join('\n'));
  const done = await whenOver(batch.id);
  const answered = await linesOf(done.output_file_id);
  assert.deepEqual(
    answered.map(({ response }) => [response?.status_code, response?.body.model]),
    [
      [200, 'scripted'],
      [200, 'scripted'],
    ],
  );
  // A job of the test before may still come.
  const sent = engine.calls.slice(count).flatMap(({ body }) => (body['stream'] === true ? [] : [body]));
  assert.deepEqual(
    sent.sort((a, b) => Number(b['temperature']) - Number(a['temperature'])),
    [asSent(false), { ...asSent(false), temperature: 0.5 }],
  );
});
