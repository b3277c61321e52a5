/** Anthropic's own client in front of the stack: `/v1/messages` on engines that only speak chat completions. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import Anthropic, { APIError, AuthenticationError, BadRequestError, NotFoundError } from '@anthropic-ai/sdk';
import { chunk, DONE, type ScriptedEngine, startScriptedEngine } from '../../testkit/scripted-engine.ts';
import { API_KEY, type Stack, startStack, waitFor, whenAllHeard } from '../../testkit/stack.ts';

const model = 'sim-chat';
const messages = [{ role: 'user' as const, content: 'Hello' }];
const tools = [
  {
    name: 'weather',
    description: 'Tells the weather.',
    input_schema: {
      type: 'object' as const,
      properties: { city: { type: 'string' } },
      required: ['city'],
    },
  },
];
let scripted: ScriptedEngine;
let stack: Stack;
let client: Anthropic;

before(async () => {
  scripted = await startScriptedEngine(async function* ({ body }) {
    const mark = body.messages.at(-1)?.content ?? '';
    yield chunk({ role: 'assistant', content: '' });
    if (mark === 'think') yield chunk({ reasoning_content: 'Because' });
    // Shown the beginning of its answer, it goes on behind it.
    if (body.messages.at(-1)?.role !== 'assistant') yield chunk({ content: 'One' });
    if (mark === 'fail' || mark === 'refuse') {
      const error = { message: 'it broke', code: mark === 'fail' ? 500 : 400 };
      return yield `data: ${JSON.stringify({ error })}\n\n`;
    }
    yield chunk({ content: ' two' });
    yield chunk({}, mark === 'cut' ? 'length' : 'stop');
    yield DONE;
  });
  stack = await startStack({ engines: [{ models: [model], listSentinels: true }] });
  await stack
    .startWorker(0, 'w-2', {
      ...{ PENSTOCK_ENGINE_URL: scripted.url, PENSTOCK_ENGINE_ENDPOINTS: 'chat' },
    })
    .then(worker => stack.workers.push(worker));
  client = new Anthropic({ baseURL: stack.url, apiKey: API_KEY, maxRetries: 0 });
});
after(async () => {
  await stack[Symbol.asyncDispose]();
  await scripted.close();
});

const failureOf = async (asked: PromiseLike<unknown>): Promise<APIError> => {
  const error = await Promise.resolve(asked).then(
    () => null,
    (err: unknown) => err,
  );
  assert.ok(error instanceof APIError, String(error));
  return error;
};

test('messages.create answers with a message', async () => {
  const { data, request_id } = await client.messages
    .create({ model, max_tokens: 5, messages, system: [{ type: 'text', text: 'Be brief.' }] })
    .withResponse();
  assert.match(request_id ?? '', /^req_/);
  assert.match(data.id, /^msg_/);
  assert.deepEqual([data.type, data.role, data.model], ['message', 'assistant', model]);
  assert.deepEqual([data.stop_reason, data.stop_sequence, data.usage.output_tokens], ['max_tokens', null, 5]);
  assert.ok(data.usage.input_tokens + (data.usage.cache_read_input_tokens ?? 0) > 0);
  assert.equal(data.content[0]?.type === 'text' && data.content[0].text.trim().split(' ').length, 5);
});

test('messages.stream: the same text, event by event, and the message it makes', async () => {
  const asked = { model, max_tokens: 6, messages };
  const whole = await client.messages.create(asked);
  const events: string[] = [];
  const stream = client.messages.stream(asked).on('streamEvent', ({ type }) => events.push(type));
  const told = await stream.finalMessage();
  assert.deepEqual(told.content, whole.content);
  assert.deepEqual([told.stop_reason, told.usage.output_tokens], [whole.stop_reason, 6]);
  assert.deepEqual(
    [events[0], events[1], ...events.slice(-3)],
    ['message_start', 'content_block_start', 'content_block_stop', 'message_delta', 'message_stop'],
  );
  assert.equal(events.filter(type => type === 'content_block_delta').length, 6);
});

test('tools: a call, whole and streamed, and the answer to its result', async () => {
  const asked = { model, max_tokens: 50, messages, tools };
  const whole = await client.messages.create(asked);
  const streamed = await client.messages.stream(asked).finalMessage();
  for (const { content, stop_reason } of [whole, streamed]) {
    const [use] = content;
    assert.ok(use?.type === 'tool_use');
    assert.deepEqual([use.name, use.input, stop_reason], ['weather', { city: 'river' }, 'tool_use']);
  }
  const [use] = whole.content;
  assert.ok(use?.type === 'tool_use');
  const result = {
    type: 'tool_result' as const,
    tool_use_id: use.id,
    content: [{ type: 'text' as const, text: '20 °C' }],
  };
  const answer = await client.messages.create({
    ...asked,
    messages: [
      ...messages,
      { role: 'assistant', content: whole.content },
      { role: 'user', content: [result] },
    ],
  });
  assert.equal(answer.content[0]?.type, 'text');
});

test('thinking comes as blocks of its own', async () => {
  const stream = client.messages.stream({
    ...{ model: 'scripted', max_tokens: 50, messages: [{ role: 'user', content: 'think' }] },
    thinking: { type: 'enabled', budget_tokens: 1024 },
  });
  const { content, stop_reason } = await stream.finalMessage();
  assert.deepEqual(
    content.map(({ type }) => type),
    ['thinking', 'text'],
  );
  assert.ok(
    content[0]?.type === 'thinking' && content[0].thinking === 'Because' && content[0].signature !== '',
  );
  assert.equal(stop_reason, 'end_turn');
  const { body } = scripted.calls.at(-1) ?? {};
  assert.deepEqual(body?.['chat_template_kwargs'], { enable_thinking: true });
});

test('messages.countTokens: the engine’s own count where it has a tokenizer, else an estimate', async () => {
  const counted = await client.messages.countTokens({ model, messages, tools });
  assert.ok(counted.input_tokens > 0);
  const estimateOf = async (content: string) =>
    (await client.messages.countTokens({ model: 'scripted', messages: [{ role: 'user', content }] }))
      .input_tokens;
  const [short, long] = [await estimateOf('Hello there.'), await estimateOf('Hello there. '.repeat(100))];
  assert.ok(short > 0 && long > 10 * short && long < 1300, `${short} and ${long}`);
});

test('errors have Anthropic’s shape and class', async () => {
  const asked = { model, max_tokens: 5, messages };
  await whenAllHeard(stack);
  const unknown = await failureOf(client.messages.create({ ...asked, model: 'none' }));
  assert.ok(unknown instanceof NotFoundError);
  const body = unknown.error as {
    type: string;
    error: { type: string; message: string };
    request_id: string;
  };
  assert.deepEqual(
    [body.type, body.error.type, body.request_id],
    ['error', 'not_found_error', unknown.requestID],
  );
  const wrong = await failureOf(client.messages.create({ ...asked, max_tokens: 0 }));
  assert.ok(wrong instanceof BadRequestError && wrong.message.includes('max_tokens'));
  const refused = await failureOf(client.messages.create({ ...asked, model: 'sim-400' }));
  assert.ok(refused instanceof BadRequestError);
  assert.match(refused.message, /the simulated engine refuses/);
  const keyed = await failureOf(client.messages.create(asked, { headers: { 'Idempotency-Key': 'k' } }));
  assert.ok(keyed instanceof BadRequestError && keyed.message.includes('Idempotency-Key'));
  const stranger = new Anthropic({ baseURL: stack.url, apiKey: 'sk-wrong-key', maxRetries: 0 });
  const denied = await failureOf(stranger.messages.create(asked));
  assert.ok(denied instanceof AuthenticationError && denied.type === 'authentication_error');
});

test('a stream goes on where its engine failed; one that the engine refuses ends with an error event', async () => {
  const ask = (content: string) =>
    client.messages.stream({ model: 'scripted', max_tokens: 50, messages: [{ role: 'user', content }] });
  assert.equal(await ask('fail').finalText(), 'One two');
  const error = await failureOf(ask('refuse').finalMessage());
  assert.deepEqual([error.type, error.apiMessage], ['invalid_request_error', 'it broke']);
});

/** An engine of the model `native` that speaks Anthropic's API itself, and what it was asked. */
async function startNativeEngine() {
  const asked: { url: string; body: Record<string, unknown> }[] = [];
  const usage = { input_tokens: 3, output_tokens: 2 };
  const head = { id: 'msg_native', type: 'message', role: 'assistant', model: 'native', stop_sequence: null };
  const event = (type: string, more: object) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
  const stream = [
    event('message_start', { message: { ...head, content: [], stop_reason: null, usage } }),
    event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Native' } }),
    event('content_block_stop', { index: 0 }),
    event('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage }),
    event('message_stop', {}),
  ];
  const server = createServer(async (req, res) => {
    let text = '';
    for await (const piece of req.setEncoding('utf8')) text += piece;
    const json = (status: number, value: object) =>
      res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (req.url === '/v1/models') return json(200, { data: [{ id: 'native' }] });
    if (req.url === '/health') return json(200, {});
    if (req.method !== 'POST' || !req.url?.startsWith('/v1/messages'))
      return json(404, { detail: 'Not Found' });
    const body = JSON.parse(text) as Record<string, unknown>;
    const refusal = {
      type: 'error',
      error: { type: 'invalid_request_error', message: 'messages: required' },
    };
    if (body['messages'] === undefined || body['stop_sequences'] !== undefined) return json(400, refusal);
    asked.push({ url: req.url, body });
    if (req.url.endsWith('count_tokens')) return json(200, { input_tokens: 42 });
    if (body['stream'] === true)
      return res.writeHead(200, { 'content-type': 'text/event-stream' }).end(stream.join(''));
    return json(200, {
      ...head,
      content: [{ type: 'text', text: 'Native' }],
      stop_reason: 'end_turn',
      usage,
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, asked, close: () => new Promise(resolve => server.close(resolve).closeAllConnections()) };
}

test('an engine that speaks the API itself, as its worker finds out, gets the request as it is', async () => {
  const engine = await startNativeEngine();
  const env = { PENSTOCK_ENGINE_URL: engine.url, PENSTOCK_ENGINE_ENDPOINTS: 'auto' };
  const worker = await stack.startWorker(0, 'w-3', env);
  try {
    const asked = {
      model: 'native',
      max_tokens: 5,
      messages,
      system: [{ type: 'text' as const, text: 'Be brief.' }],
    };
    await waitFor(async () => (await client.messages.create(asked)).id === 'msg_native');
    assert.deepEqual(engine.asked.at(-1), { url: '/v1/messages', body: asked });
    assert.equal(await client.messages.stream(asked).finalText(), 'Native');
    assert.deepEqual(engine.asked.at(-1)?.body, { ...asked, stream: true });
    assert.equal((await client.messages.countTokens({ model: 'native', messages })).input_tokens, 42);
    const refused = await failureOf(client.messages.create({ ...asked, stop_sequences: ['x'] }));
    assert.deepEqual(
      [refused.status, refused.type, refused.apiMessage],
      [400, 'invalid_request_error', 'messages: required'],
    );
  } finally {
    await worker.stop();
    await engine.close();
  }
});
