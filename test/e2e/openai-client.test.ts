/** The official client against the whole stack: what an application developer does first. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import OpenAI from 'openai';
import { API_KEY, type Stack, startStack, waitFor } from '../support/stack.ts';

let stack: Stack;
let client: OpenAI;
const messages = [{ role: 'user' as const, content: 'Tell me about rivers.' }];

before(async () => {
  stack = await startStack({ engines: [{ profile: 'dense-8b-h100' }] });
  client = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: API_KEY, maxRetries: 0 });
});
after(() => stack[Symbol.asyncDispose]());

test('lists models and gets one', async () => {
  const models = await client.models.list();
  assert.ok(models.data.some(model => model.id === 'sim-chat'));
  assert.equal((await client.models.retrieve('sim-chat')).object, 'model');
  await assert.rejects(client.models.retrieve('no-such'), OpenAI.NotFoundError);
});

test('answers a plain chat request with what the engine said', async () => {
  const { data, response } = await client.chat.completions
    .create({ model: 'sim-chat', messages, max_tokens: 12 })
    .withResponse();
  const expected = expectedTokens(promptHash({ messages }), 12).join('');
  assert.equal(data.choices[0]?.message.content, expected);
  assert.equal(data.usage?.completion_tokens, 12);
  assert.match(response.headers.get('x-request-id') ?? '', /^req_[a-z2-7]{26}$/);
  assert.equal(response.headers.get('x-penstock-worker'), 'w-1');
  assert.equal(response.headers.get('x-penstock-attempt'), '1');
  assert.ok(Number(response.headers.get('x-penstock-queue-wait-ms')) >= 0);
});

test('streams with usage, only when asked for', async () => {
  for (const include of [true, false]) {
    const stream = await client.chat.completions.create({
      model: 'sim-chat',
      messages,
      max_tokens: 20,
      stream: true,
      ...(include ? { stream_options: { include_usage: true } } : {}),
    });
    let text = '';
    let usage = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, expectedTokens(promptHash({ messages }), 20).join(''));
    assert.equal(usage?.completion_tokens, include ? 20 : undefined);
  }
});

test('an abort in the middle frees the slot within a second', async () => {
  const engine = stack.engines[0];
  const abortedBefore = engine?.stats().aborted ?? 0;
  const stream = await client.chat.completions.create({
    model: 'sim-chat',
    messages,
    max_tokens: 5000,
    stream: true,
  });
  for await (const _chunk of stream) break;
  stream.controller.abort();
  await waitFor(() => engine?.stats().running === 0 && engine.stats().aborted === abortedBefore + 1, 1000);
});

test('completions and embeddings, floats and base64', async () => {
  const completion = await client.completions.create({
    model: 'sim-chat',
    prompt: 'Once upon',
    max_tokens: 5,
  });
  assert.equal(completion.object, 'text_completion');
  assert.ok((completion.choices[0]?.text.length ?? 0) > 0);
  const asked = { model: 'sim-embed', input: ['a', 'b'] };
  const floats = await client.embeddings.create({ ...asked, encoding_format: 'float' });
  const base64 = await client.embeddings.create(asked);
  assert.equal(floats.data.length, 2);
  assert.ok(
    base64.data[1]?.embedding.every((x, i) => Math.abs(x - (floats.data[1]?.embedding[i] ?? 9)) < 1e-6),
  );
});
