/** Endpoints that not every engine has: two workers of one model, of which only the first one's engine has most of them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { buildEngine } from '@penstock/engine-sim';
import { batchesOf, lineOf } from '../../testkit/batches.ts';
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

let stack: Stack;
const DOCUMENTS = ['Paris is in France.', 'Cats sleep.', 'Rome is in Italy.'];
const RERANK = { model: 'sim-chat', query: 'Where is Rome?', documents: DOCUMENTS };

before(async () => {
  stack = await startStack({
    engines: [{ models: ['sim-chat'] }, { models: ['sim-chat'], endpoints: ['tokenize'] }],
    tasksEnv: {},
  });
  // Both workers are known to the ingress.
  await waitFor(async () => (await post(stack, '/rerank', RERANK)).ok);
  await whenAllHeard(stack);
});
after(() => stack[Symbol.asyncDispose]());

const answerOf = async (path: string, body: object) => {
  const response = await post(stack, path, { model: 'sim-chat', ...body });
  assert.equal(response.status, 200, path);
  return (await response.json()) as Record<string, unknown[]>;
};

test('a request goes only to workers whose engine has its endpoint', async () => {
  const answers = await Promise.all(Array.from({ length: 12 }, () => post(stack, '/v1/rerank', RERANK)));
  for (const { status, headers } of answers)
    assert.deepEqual([status, headers.get('x-penstock-worker')], [200, 'w-1']);
  // The last one is Cohere's.
  for (const path of ['/v1/rerank', '/v2/rerank']) {
    const { results = [] } = await answerOf(path, RERANK);
    assert.deepEqual(results.map(each => (each as { index: number }).index).sort(), [0, 1, 2]);
  }
  const tokens = await Promise.all(
    Array.from({ length: 40 }, () => post(stack, '/tokenize', { model: 'sim-chat', prompt: 'x' })),
  );
  const workers = new Set(tokens.map(({ headers }) => headers.get('x-penstock-worker')));
  assert.deepEqual([...workers].sort(), ['w-1', 'w-2']);
});

test('each endpoint is answered in the engine’s shape', async () => {
  const text = 'Grüße aus Rom';
  const { tokens } = await answerOf('/tokenize', { prompt: text });
  assert.deepEqual(await answerOf('/detokenize', { tokens }), { prompt: text });
  const input = ['a text', 'another one'];
  for (const path of ['/pooling', '/classify'])
    assert.equal((await answerOf(path, { input }))['data']?.length, 2);
  assert.equal((await answerOf('/v1/score', { text_1: 'a', text_2: input }))['data']?.length, 2);
  assert.equal((await answerOf('/v1/moderations', { input }))['results']?.length, 2);
  assert.equal((await answerOf('/v1/images/generations', { prompt: 'a cat' }))['data']?.length, 1);
});

test('an endpoint that no worker of the model has is a 404 that names those there are', async () => {
  const model = 'sim-lonely';
  const engine = buildEngine({ models: [model], endpoints: ['tokenize'] });
  await engine.listen(0);
  const worker = await stack.startWorker(0, 'w-3', { PENSTOCK_ENGINE_URL: engine.url });
  try {
    await waitFor(async () => (await post(stack, '/tokenize', { model, prompt: 'x' })).ok);
    const refused = await post(stack, '/v1/rerank', { ...RERANK, model });
    const { code, message, type } = await errorOf(refused);
    assert.deepEqual([refused.status, code, type], [404, 'endpoint_not_found', 'invalid_request_error']);
    assert.match(message, /serves \/v1\/rerank\. It serves: \/v1\/chat\/completions, .*\/tokenize\./);
  } finally {
    await worker.stop();
    await engine.close();
  }
});

test('a bad request names the field, and an engine’s refusal is told in its words', async () => {
  const bad = await post(stack, '/v1/rerank', { ...RERANK, documents: undefined });
  assert.deepEqual([bad.status, (await errorOf(bad)).param], [400, 'documents']);
  const refused = await post(stack, '/v1/score', { model: 'sim-chat', text_1: 'a' });
  assert.deepEqual([refused.status, (await errorOf(refused)).message], [400, 'text_2 must be text']);
});

test('as a job, and as the lines of a batch', async () => {
  const job = await post(stack, '/v1/rerank', RERANK, { headers: { prefer: 'respond-async' } });
  assert.equal(job.status, 202);
  const url = stack.url + job.headers.get('location');
  const headers = { authorization: `Bearer ${API_KEY}` };
  await waitFor(async () => (await fetch(url, { headers })).status === 200);
  const { results } = (await (await fetch(url, { headers })).json()) as { results: unknown[] };
  assert.equal(results.length, 3);
  const { begin, whenOver } = batchesOf(sdk(stack));
  const lines = [0, 1].map(i => lineOf(`l${i}`, RERANK, { url: '/v1/rerank' }));
  const { id } = await begin(`${lines.join('\n')}\n`, { endpoint: '/v1/rerank' as never });
  const batch = await whenOver(id);
  assert.deepEqual([batch.status, batch.request_counts?.completed], ['completed', 2]);
});
