/** The official client against the whole stack, inference: what an application developer does first. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import OpenAI from 'openai';
import { sdk } from '../../testkit/sdk.ts';
import { post, type Stack, startStack, waitFor, whenAllHeard } from '../../testkit/stack.ts';

let stack: Stack;
let client: OpenAI;
const model = 'sim-chat';
const messages = [{ role: 'user' as const, content: 'Tell me about rivers.' }];
const said = (tokens: number, choice = 0) =>
  expectedTokens(promptHash({ messages }), tokens, choice).join('');
const tools = [
  {
    type: 'function' as const,
    function: {
      name: 'get_weather',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
];

before(async () => {
  // Ten times as fast as real: 300,000 tokens would take a real one 50 s.
  stack = await startStack({ engines: [{ profile: 'dense-8b-h100', timeScale: 10, listSentinels: true }] });
  client = sdk(stack);
});
after(() => stack[Symbol.asyncDispose]());

test('models.list and models.retrieve; an unknown one is a 404', async () => {
  const models = await client.models.list();
  assert.ok(models.data.some(({ id }) => id === model));
  assert.equal((await client.models.retrieve(model)).object, 'model');
  await whenAllHeard(stack);
  await assert.rejects(client.models.retrieve('no-such'), OpenAI.NotFoundError);
});

test('chat.completions.create answers with what the engine said', async () => {
  const { data, response } = await client.chat.completions
    .create({ model, messages, max_tokens: 12 })
    .withResponse();
  assert.equal(data.choices[0]?.message.content, said(12));
  assert.equal(data.usage?.completion_tokens, 12);
  assert.equal(response.headers.get('x-penstock-worker'), 'w-1');
  assert.equal(response.headers.get('x-penstock-attempt'), '1');
  assert.ok(Number(response.headers.get('x-penstock-queue-wait-ms')) >= 0);
});

test('withResponse: request id, processing time and version are on every answer', async () => {
  const called = [
    client.models.list().withResponse(),
    client.chat.completions.create({ model, messages, max_tokens: 4 }).withResponse(),
    client.chat.completions.create({ model, messages, max_tokens: 4, stream: true }).withResponse(),
    client.embeddings.create({ model: 'sim-embed', input: 'a' }).withResponse(),
    client.responses.create({ model, input: 'a', max_output_tokens: 16 }).withResponse(),
  ];
  for (const { request_id, response } of await Promise.all(called)) {
    assert.match(request_id ?? '', /^req_[a-z2-7]{26}$/);
    assert.match(response.headers.get('openai-processing-ms') ?? '', /^\d+$/);
    assert.equal(response.headers.get('openai-version'), '2020-10-01');
    // Nothing limits this key, so nothing is said about limits.
    assert.ok([...response.headers.keys()].every(name => !name.startsWith('x-ratelimit')));
  }
});

test('a stream has the same text; usage comes only when it is asked for', async () => {
  for (const include of [true, false]) {
    const stream = await client.chat.completions.create({
      model,
      messages,
      max_tokens: 20,
      stream: true,
      ...(include ? { stream_options: { include_usage: true } } : {}),
    });
    let text = '';
    let usage = null;
    let chunksWithoutChoice = 0;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
      chunksWithoutChoice += chunk.choices.length === 0 ? 1 : 0;
    }
    assert.equal(text, said(20));
    assert.equal(usage?.completion_tokens, include ? 20 : undefined);
    assert.equal(chunksWithoutChoice, include ? 1 : 0);
  }
});

test('a stream without include_usage has no trace of usage, byte for byte', async () => {
  const requests: [string, object][] = [
    ['/v1/chat/completions', { model, messages, max_tokens: 5, stream: true }],
    ['/v1/chat/completions', { model, messages, max_tokens: 5, stream: true, stream_options: {} }],
    ['/v1/completions', { model, prompt: 'Once', max_tokens: 5, stream: true }],
  ];
  for (const [path, body] of requests) {
    const text = await (await post(stack, path, body)).text();
    assert.ok(text.endsWith('data: [DONE]\n\n'));
    assert.ok(!text.includes('usage') && !text.includes('"choices":[]'), path);
  }
});

test('n > 1: every choice arrives, whole and streamed', async () => {
  const whole = await client.chat.completions.create({ model, messages, max_tokens: 6, n: 3 });
  assert.deepEqual(
    whole.choices.map(choice => choice.message.content),
    [0, 1, 2].map(choice => said(6, choice)),
  );
  const stream = client.chat.completions.stream({ model, messages, max_tokens: 6, n: 3 });
  const final = await stream.finalChatCompletion();
  assert.deepEqual(
    final.choices.map(choice => choice.message.content),
    whole.choices.map(choice => choice.message.content),
  );
});

test('tools: a call, its streamed arguments, and the answer to its result', async () => {
  const whole = await client.chat.completions.create({ model, messages, tools });
  const call = whole.choices[0]?.message.tool_calls?.[0];
  assert.equal(whole.choices[0]?.finish_reason, 'tool_calls');
  assert.ok(call?.type === 'function');
  assert.deepEqual(JSON.parse(call.function.arguments), { city: 'river' });
  const stream = client.chat.completions.stream({ model, messages, tools, tool_choice: 'required' });
  let streamed = '';
  stream.on('tool_calls.function.arguments.delta', event => {
    streamed += event.arguments_delta;
  });
  await stream.finalChatCompletion();
  assert.equal(streamed, call.function.arguments);
  const result = { role: 'tool' as const, tool_call_id: call.id, content: 'sunny' };
  const assistant = { role: 'assistant' as const, tool_calls: [call] };
  const after = await client.chat.completions.create({
    model,
    messages: [...messages, assistant, result],
    tools,
  });
  assert.equal(after.choices[0]?.finish_reason, 'stop');
  assert.ok(after.choices[0]?.message.content);
});

test('stream().finalChatCompletion assembles a stream, and rejects when it breaks off', async () => {
  const final = await client.chat.completions
    .stream({ model, messages, max_tokens: 9 })
    .finalChatCompletion();
  assert.equal(final.choices[0]?.message.content, said(9));
  assert.equal(final.choices[0]?.finish_reason, 'length');
  const broken = client.chat.completions.stream({
    model: 'sim-truncate-after-3',
    messages,
    max_tokens: 9,
    n: 2,
  });
  await assert.rejects(broken.finalChatCompletion(), OpenAI.APIError);
});

test('chat.completions stored: retrieve, update, messages.list, list that pages by itself, delete', async () => {
  const { completions } = client.chat;
  const asked = { model, messages, max_tokens: 4, store: true, metadata: { case: 'client' } };
  const made: { id: string }[] = [];
  for (let i = 0; i < 3; i++) made.push(await completions.create(asked));
  const [first] = made;
  assert.ok(first !== undefined);
  await waitFor(async () => {
    const seen: string[] = [];
    for await (const each of completions.list({ metadata: { case: 'client' }, limit: 2 })) seen.push(each.id);
    return JSON.stringify(seen) === JSON.stringify(made.map(({ id }) => id));
  });
  const again = await completions.retrieve(first.id);
  assert.equal(again.choices[0]?.message.content, said(4));
  const renamed = await completions.update(first.id, { metadata: { case: 'renamed' } });
  assert.deepEqual(renamed.metadata, { case: 'renamed' });
  const told = [];
  for await (const message of completions.messages.list(first.id)) told.push(message.content);
  assert.deepEqual(told, [messages[0]?.content]);
  assert.equal((await completions.delete(first.id)).deleted, true);
  await assert.rejects(completions.retrieve(first.id), OpenAI.NotFoundError);
});

test('AbortController in the middle of a stream frees the worker’s slot', async () => {
  const engine = stack.engines[0];
  const abortedBefore = engine?.stats().aborted ?? 0;
  const controller = new AbortController();
  const stream = await client.chat.completions.create(
    { model, messages, max_tokens: 5000, stream: true },
    { signal: controller.signal },
  );
  for await (const _chunk of stream) break;
  controller.abort();
  await waitFor(() => engine?.stats().running === 0 && engine.stats().aborted === abortedBefore + 1);
});

test('an abort of a call that is not streamed frees the slot too', async () => {
  const engine = stack.engines[0];
  const controller = new AbortController();
  const asked = client.chat.completions.create(
    { model, messages, max_tokens: 5000 },
    { signal: controller.signal },
  );
  const refused = assert.rejects(asked, OpenAI.APIUserAbortError);
  await waitFor(() => engine?.stats().running === 1);
  controller.abort();
  await refused;
  await waitFor(() => engine?.stats().running === 0);
});

test('completions.create, whole and streamed, of one prompt and of several', async () => {
  const whole = await client.completions.create({ model, prompt: 'Once upon', max_tokens: 5 });
  assert.equal(whole.object, 'text_completion');
  assert.equal(whole.choices[0]?.finish_reason, 'length');
  let text = '';
  const stream = await client.completions.create({ model, prompt: 'Once upon', max_tokens: 5, stream: true });
  for await (const chunk of stream) text += chunk.choices[0]?.text ?? '';
  assert.equal(text, whole.choices[0]?.text);
  const several = await client.completions.create({ model, prompt: ['Once upon', 'A time'], max_tokens: 5 });
  assert.equal(several.choices.length, 2);
  assert.equal(several.choices[0]?.text, text);
});

test('embeddings.create: floats, and base64 where nothing is said', async () => {
  const asked = { model: 'sim-embed', input: ['a', 'b'] };
  const floats = await client.embeddings.create({ ...asked, encoding_format: 'float' });
  const base64 = await client.embeddings.create(asked);
  assert.equal(floats.data.length, 2);
  assert.ok(
    base64.data[1]?.embedding.every((x, i) => Math.abs(x - (floats.data[1]?.embedding[i] ?? 9)) < 1e-6),
  );
});

test('embeddings and completions of token ids, as many as the API allows', async () => {
  const ids = (count: number, first: number) => Array.from({ length: count }, (_, i) => first + i);
  for (const [input, vectors, tokens] of [
    [ids(3000, 100), 1, 3000],
    [[ids(3000, 100)], 1, 3000],
    [Array.from({ length: 2048 }, (_, i) => ids(146, i)), 2048, 299_008],
  ] as const) {
    const { data, usage } = await client.embeddings.create({
      model: 'sim-embed',
      input: input as number[] | number[][],
      dimensions: 1,
    });
    assert.deepEqual([data.length, usage.prompt_tokens], [vectors, tokens]);
  }
  const scored = await client.completions.create({ model, prompt: ids(60_000, 1), max_tokens: 0 });
  assert.deepEqual([scored.usage?.prompt_tokens, scored.usage?.completion_tokens], [60_000, 0]);
});
