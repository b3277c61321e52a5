/** Engines that answer a request for a stream with one whole body, or a plain call with a stream. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { ask, bodyOf, readEvents, textOf } from '../../testkit/responses.ts';
import { sdk } from '../../testkit/sdk.ts';
import { post, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const HEAD = { id: 'chatcmpl-x', created: 1, model: 'm' };
const USAGE = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
const CALLS = [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }];
const MESSAGE = { role: 'assistant', content: 'Let me look.', reasoning_content: 'Hm', tool_calls: CALLS };
const CHOICE = { index: 0, message: MESSAGE, logprobs: null, finish_reason: 'tool_calls' };
const COMPLETION = { ...HEAD, object: 'chat.completion', choices: [CHOICE], usage: USAGE };
const TEXT = {
  ...HEAD,
  object: 'text_completion',
  choices: [{ index: 0, text: 'One two', finish_reason: 'stop' }],
};

const event = (value: object) => `data: ${JSON.stringify(value)}\n\n`;
const part = (delta: object, finish: string | null = null) =>
  event({ ...HEAD, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finish }] });
const STREAM =
  part({ role: 'assistant', content: '' }) +
  part({ reasoning_content: 'Hm' }) +
  part({ content: 'Let me ' }) +
  part({ content: 'look.' }) +
  part({ tool_calls: CALLS.map((call, index) => ({ index, ...call })) }) +
  part({}, 'tool_calls') +
  event({ ...HEAD, choices: [], usage: USAGE });
const text = (said: string, finish: string | null) =>
  event({ ...HEAD, object: 'text_completion', choices: [{ index: 0, text: said, finish_reason: finish }] });

/** It answers always with the kind that was not asked for. */
async function startContraryEngine() {
  const asked = { count: 0 };
  const server = createServer(async (req, res) => {
    let body = '';
    for await (const piece of req.setEncoding('utf8')) body += piece;
    if (req.url === '/v1/models') return res.end(JSON.stringify({ data: [{ id: 'm', created: 1 }] }));
    if (req.method !== 'POST') return res.writeHead(req.url === '/health' ? 200 : 404).end();
    asked.count++;
    const isText = req.url === '/v1/completions';
    if (JSON.parse(body).stream === true) {
      res.writeHead(200, { 'content-type': 'application/json' });
      return res.end(JSON.stringify(isText ? TEXT : COMPLETION));
    }
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    return res.end(`${isText ? text('One', null) + text(' two', 'stop') : STREAM}data: [DONE]\n\n`);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${port}`, asked, close };
}

const messages = [{ role: 'user' as const, content: 'look' }];

/** The answer to a job, once there is one. */
async function jobAnswer(stack: Stack, path: string, body: object): Promise<string> {
  const job = await post(stack, path, body, { headers: { prefer: 'respond-async' } });
  const { id } = (await job.json()) as { id: string };
  let answer = job;
  await waitFor(async () => {
    answer = await ask(stack.url, `/v1/jobs/${id}`);
    return answer.status === 200;
  });
  return answer.text();
}

test('an engine that answers with the other kind than was asked for is understood, at once and in full', async t => {
  const engine = await startContraryEngine();
  t.after(() => engine.close());
  await using stack = await startStack({ engineUrls: [engine.url] });
  const { chat, completions } = sdk(stack);

  await t.test('a stream is made of a whole answer, for the official client and for a job', async () => {
    const stream = chat.completions.stream({ model: 'm', messages, stream_options: { include_usage: true } });
    const { choices, usage } = await stream.finalChatCompletion();
    assert.equal(choices[0]?.message.content, MESSAGE.content);
    const [call] = choices[0]?.message.tool_calls ?? [];
    assert.ok(call?.type === 'function');
    assert.equal(call.function.arguments, '{"a":1}');
    assert.equal(choices[0]?.finish_reason, 'tool_calls');
    assert.deepEqual(usage, USAGE);
    const bare = await (
      await post(stack, '/v1/chat/completions', { model: 'm', messages, stream: true })
    ).text();
    assert.match(bare, /"reasoning_content":"Hm"[\s\S]*data: \[DONE\]\n\n$/);
    assert.ok(!bare.includes('usage'));
    let said = '';
    for await (const { choices } of await completions.create({ model: 'm', prompt: 'count', stream: true }))
      said += choices[0]?.text ?? '';
    assert.equal(said, 'One two');
    const kept = await jobAnswer(stack, '/v1/chat/completions', { model: 'm', messages, stream: true });
    assert.match(kept, /Let me look\.[\s\S]*data: \[DONE\]\n\n$/);
    assert.equal(engine.asked.count, 4);
  });

  await t.test('a whole answer is made of a stream, for the official client and for a job', async () => {
    const whole = await chat.completions.create({ model: 'm', messages });
    const { content, tool_calls } = whole.choices[0]?.message ?? {};
    assert.deepEqual([content, tool_calls, whole.usage], [MESSAGE.content, CALLS, USAGE]);
    const { choices } = await completions.create({ model: 'm', prompt: 'count' });
    assert.equal(choices[0]?.text, 'One two');
    const kept = await jobAnswer(stack, '/v1/chat/completions', { model: 'm', messages });
    assert.equal(JSON.parse(kept).choices[0].message.content, MESSAGE.content);
    assert.equal(engine.asked.count, 7);
  });

  await t.test('responses are made of either', async () => {
    for (const more of [{}, { background: true }]) {
      const events = await readEvents(
        ask(stack.url, '/v1/responses', { json: { model: 'm', input: 'look', stream: true, ...more } }),
      );
      assert.equal(events.at(-1)?.type, 'response.completed');
      assert.equal(textOf(events), MESSAGE.content);
    }
    const { status, output } = await bodyOf(
      ask(stack.url, '/v1/responses', { json: { model: 'm', input: 'look' } }),
    );
    assert.deepEqual(
      [status, output?.map(item => item.type)],
      ['completed', ['reasoning', 'message', 'function_call']],
    );
  });
});
