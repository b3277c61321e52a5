import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventsOfAnswer, JSON_CONTENT_TYPE } from '@penstock/protocol';
import type { EngineHandlers } from './engine-handlers.ts';
import { AssembledAnswer, bodyAsStream, streamsPlainCalls } from './plain-as-stream.ts';

const EVENTS = 'text/event-stream';
/** What each of llama.cpp's chunks has beside its choices. */
const HEAD = { created: 1795907584, id: 'chatcmpl-1h', model: 'tiny', system_fingerprint: 'b1-0c1e570' };
const USAGE = { completion_tokens: 2, prompt_tokens: 24, total_tokens: 26 };
const TIMINGS = { prompt_n: 24, predicted_n: 2 };

/** An answer, and what it was told. */
function listen(endpoint: 'chat' | 'completions' | 'messages' = 'chat', choices = 1) {
  const heard = { status: 0, type: '', body: '', ends: 0, error: '' };
  const to: EngineHandlers = {
    start(status, type) {
      heard.status = status;
      heard.type = type;
    },
    data(bytes) {
      heard.body += bytes;
    },
    end() {
      heard.ends++;
    },
    error({ message }) {
      heard.error = message;
    },
  };
  return { answer: new AssembledAnswer(to, endpoint, () => choices), heard };
}

const chunk = (delta: object, finish: string | null = null, more: object = {}, index = 0) =>
  `data: ${JSON.stringify({ choices: [{ finish_reason: finish, index, delta, ...more }], ...HEAD, object: 'chat.completion.chunk' })}\n\n`;
const last = `data: ${JSON.stringify({ choices: [], ...HEAD, object: 'chat.completion.chunk', usage: USAGE, timings: TIMINGS })}\n\n`;
const DONE = 'data: [DONE]\n\n';

/** The answer of a stream that comes in pieces of so many bytes. */
function assembled(stream: string, size = 1000, endpoint: 'chat' | 'completions' | 'messages' = 'chat') {
  const { answer, heard } = listen(endpoint);
  answer.start(200, EVENTS);
  const bytes = Buffer.from(stream);
  for (let at = 0; at < bytes.length; at += size) answer.data(bytes.subarray(at, at + size));
  answer.end();
  return heard;
}

test("llama.cpp's stream becomes the answer it gives without one", () => {
  const logprobs = [{ id: 605, token: ' found', logprob: -1.77 }];
  const stream =
    chunk({ role: 'assistant', content: null }) +
    chunk({ content: ' found' }, null, { logprobs: { content: logprobs } }) +
    chunk({ content: ' thése' }) +
    chunk({}, 'length') +
    last +
    DONE;
  for (const size of [1, 7, 4000]) {
    const heard = assembled(stream, size);
    assert.deepEqual([heard.status, heard.type, heard.ends], [200, JSON_CONTENT_TYPE, 1]);
    assert.deepEqual(JSON.parse(heard.body), {
      choices: [
        {
          finish_reason: 'length',
          index: 0,
          message: { role: 'assistant', content: ' found thése' },
          logprobs: { content: logprobs },
        },
      ],
      ...{ ...HEAD, object: 'chat.completion', usage: USAGE, timings: TIMINGS },
    });
  }
});

test('calls, reasoning and several choices are those of the plain answer, in order', () => {
  const call = (args: string, id?: string) => ({
    tool_calls: [
      {
        index: 0,
        ...(id ? { id, type: 'function' } : {}),
        function: { ...(id ? { name: 'f' } : {}), arguments: args },
      },
    ],
  });
  const stream =
    chunk({ content: 'two' }, 'stop', {}, 1) +
    chunk({ reasoning_content: 'So' }) +
    chunk(call('{"a":', 'c1')) +
    chunk(call('1}')) +
    chunk({}, 'tool_calls') +
    DONE;
  const [first, second] = JSON.parse(assembled(stream).body).choices;
  assert.deepEqual(first, {
    finish_reason: 'tool_calls',
    index: 0,
    message: {
      ...{ role: 'assistant', content: null, reasoning_content: 'So' },
      tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
    },
  });
  assert.equal(second.message.content, 'two');
});

test('errors are told as they came, within a stream or before it', () => {
  const error = '{"error":{"message":"no","code":400}}';
  assert.equal(assembled(`data: ${error}\n\n${DONE}`).body, error);
  const { answer, heard } = listen();
  answer.start(503, 'application/json', 2000);
  answer.data(Buffer.from(error));
  answer.end();
  assert.deepEqual([heard.status, heard.body, heard.ends], [503, error, 1]);
});

test('a stream that breaks off is no answer, one that was whole is', () => {
  assert.match(assembled(chunk({ content: 'half' })).error, /too early/);
  assert.match(assembled('data: garbage\n\n').error, /not JSON/);
  const { answer, heard } = listen();
  answer.start(200, EVENTS);
  answer.data(Buffer.from(chunk({ content: 'all' }, 'stop')));
  answer.error(new Error('reset'));
  assert.deepEqual([heard.ends, heard.error], [1, '']);
});

test('of several choices one may end before another begins', () => {
  const { answer, heard } = listen('chat', 2);
  answer.start(200, EVENTS);
  answer.data(Buffer.from(chunk({ content: 'one' }, 'stop')));
  answer.error(new Error('reset'));
  assert.deepEqual([heard.ends, heard.error], [0, 'reset']);
  const stream = text('b', { index: 1 }, 'stop') + text('a', {}) + text('c', {}, 'length') + DONE;
  const { choices } = JSON.parse(assembled(stream, 1000, 'completions').body);
  assert.deepEqual(
    choices.map((choice: { index: number; text: string }) => [choice.index, choice.text]),
    [
      [0, 'ac'],
      [1, 'b'],
    ],
  );
});

test('an answer that is no stream passes as it came, with its type, and so does nothing at all', () => {
  for (const body of ['{"choices":[]}', '']) {
    const { answer, heard } = listen();
    answer.start(200, 'application/json; charset=utf-8');
    if (body !== '') answer.data(Buffer.from(body));
    answer.end();
    assert.deepEqual(
      [heard.status, heard.type, heard.body, heard.ends],
      [200, 'application/json; charset=utf-8', body, 1],
    );
  }
});

test('the events of a message become the message', () => {
  const message = {
    ...{ id: 'msg_1', type: 'message', role: 'assistant', model: 'm' },
    content: [
      { type: 'thinking', thinking: 'So', signature: 'sig' },
      { type: 'text', text: 'Hi' },
      { type: 'tool_use', id: 't', name: 'f', input: { a: 1 } },
      { type: 'tool_use', id: 'u', name: 'g', input: {} },
    ],
    ...{ stop_reason: 'tool_use', stop_sequence: null, usage: { input_tokens: 3, output_tokens: 2 } },
  };
  const events = eventsOfAnswer(Buffer.from(JSON.stringify(message)), 'messages', false).toString();
  for (const size of [1, 4000])
    assert.deepEqual(JSON.parse(assembled(events, size, 'messages').body), message);
});

test('only plain calls become streams, and numbers stay as they were written', () => {
  const body = Buffer.from('{"seed":12345678901234567890,"stream":false,"messages":[]}');
  const streamed = bodyAsStream('chat', body)?.toString() ?? '';
  assert.match(streamed, /12345678901234567890/);
  assert.deepEqual(JSON.parse(streamed).stream_options, { include_usage: true });
  assert.equal(JSON.parse(streamed).stream, true);
  assert.equal(bodyAsStream('chat', Buffer.from('{"stream":true}')), null);
  assert.equal(bodyAsStream('embeddings', body), null);
  assert.equal(bodyAsStream('chat', Buffer.from('nonsense')), null);
});

/** As llama.cpp streams a completion: usage and timings come with the choice's end. */
const text = (said: string, more: object = {}, finish: string | null = null, rest: object = {}) =>
  `data: ${JSON.stringify({ choices: [{ text: said, index: 0, logprobs: null, finish_reason: finish, ...more }], ...HEAD, object: 'text_completion', ...rest })}\n\n`;

test("llama.cpp's completion is the one it gives without a stream, with its logprobs and its last timings", () => {
  const token = (token: string) => ({ id: 1, token, bytes: [32], logprob: -0.5, top_logprobs: [] });
  const stream =
    text(' this', { logprobs: { content: [token(' this')] } }, null, { timings: { predicted_n: 1 } }) +
    text(' thé', { logprobs: { content: [token(' thé')] } }, null, { timings: { predicted_n: 2 } }) +
    text('', {}, 'length', { usage: USAGE, timings: TIMINGS }) +
    DONE;
  for (const size of [1, 7, 4000])
    assert.deepEqual(JSON.parse(assembled(stream, size, 'completions').body), {
      choices: [
        {
          ...{ text: ' this thé', index: 0, finish_reason: 'length' },
          logprobs: { content: [token(' this'), token(' thé')] },
        },
      ],
      ...{ ...HEAD, object: 'text_completion', usage: USAGE, timings: TIMINGS },
    });
});

test('logprobs of a completion in the lists of other engines are joined, too', () => {
  const part = (token: string, offset: number) => ({
    logprobs: {
      tokens: [token],
      token_logprobs: [-1],
      top_logprobs: [{ [token]: -1 }],
      text_offset: [offset],
    },
  });
  const stream = text('a', part('a', 0)) + text('b', part('b', 1), 'stop') + DONE;
  const [choice] = JSON.parse(assembled(stream, 1000, 'completions').body).choices;
  assert.deepEqual(choice.logprobs, {
    ...{ tokens: ['a', 'b'], token_logprobs: [-1, -1], top_logprobs: [{ a: -1 }, { b: -1 }] },
    text_offset: [0, 1],
  });
});

test('a completion that breaks off, has no text or ends badly is none', () => {
  const errorOf = (stream: string) => assembled(stream, 1000, 'completions').error;
  assert.match(errorOf(text('half')), /too early/);
  assert.match(errorOf(chunk({ content: 'chat' }, 'stop') + DONE), /other types/);
  const aborted = JSON.parse(assembled(text('x', {}, 'abort') + DONE, 1000, 'completions').body);
  assert.equal(aborted.choices[0].finish_reason, 'abort', 'for the reader of whole answers to judge');
});

test('a completion of one prompt becomes a stream, one of several does not', () => {
  const isStreamed = (asked: object) =>
    bodyAsStream('completions', Buffer.from(JSON.stringify({ model: 'm', ...asked }))) !== null;
  for (const prompt of ['text', ['text'], [1, 2, 3], [[1, 2, 3]], ''])
    assert.ok(isStreamed({ prompt }), JSON.stringify(prompt));
  for (const prompt of [['a', 'b'], [[1], [2]], [1, 'b'], undefined, {}])
    assert.ok(!isStreamed({ prompt }), JSON.stringify(prompt));
  assert.ok(isStreamed({ prompt: 'a', n: 1, best_of: null }));
  assert.ok(!isStreamed({ prompt: 'a', n: 2 }));
  assert.ok(!isStreamed({ prompt: 'a', best_of: 2 }));
  assert.ok(!isStreamed({ prompt: 'a', stream: true }));
});

test('by default only engines that are known to need it', () => {
  assert.ok(streamsPlainCalls('auto', ['llamacpp']));
  assert.ok(!streamsPlainCalls('auto', ['vllm', 'sglang']));
  assert.ok(streamsPlainCalls('always', []));
  assert.ok(!streamsPlainCalls('never', ['llamacpp']));
});
