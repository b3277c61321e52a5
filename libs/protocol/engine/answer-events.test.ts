import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChoicesBuilder } from '../runs/choices-builder.ts';
import type { Endpoint } from '../wire/endpoints.ts';
import { eventsOfAnswer } from './answer-events.ts';
import { eventData } from './sse.ts';

const HEAD = { id: 'chatcmpl-1', created: 7, model: 'm', system_fingerprint: 'fp' };
const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };

function chunksOf(answer: object | string, endpoint: Endpoint = 'chat', hasUsage = false) {
  const body = Buffer.from(typeof answer === 'string' ? answer : JSON.stringify(answer));
  const data = [...eventData(eventsOfAnswer(body, endpoint, hasUsage).toString())];
  if (endpoint !== 'messages') assert.equal(data.pop(), '[DONE]');
  return data.map(text => JSON.parse(text));
}

test('a chat completion is told by the chunks of a stream, choice by choice, and reads the same', () => {
  const choices = [
    {
      index: 0,
      message: { role: 'assistant', content: 'Hi', reasoning_content: 'So', annotations: [] },
      logprobs: { content: [{ token: 'Hi', logprob: -1 }] },
      finish_reason: 'stop',
      stop_reason: 2,
    },
    { index: 1, message: { role: 'assistant', content: null, refusal: 'No' }, finish_reason: 'stop' },
  ];
  const chunks = chunksOf({ ...HEAD, object: 'chat.completion', choices, usage: USAGE, service_tier: 'x' });
  assert.deepEqual(chunks[0], {
    ...{ ...HEAD, object: 'chat.completion.chunk', service_tier: 'x' },
    choices: [
      {
        index: 0,
        delta: choices[0]?.message,
        logprobs: choices[0]?.logprobs,
        finish_reason: null,
        stop_reason: 2,
      },
    ],
  });
  const builder = new ChoicesBuilder();
  for (const chunk of chunks) builder.add(chunk);
  const [first, second] = builder.choices;
  assert.deepEqual(
    [
      first?.message?.content,
      first?.message?.reasoning_content,
      first?.logprobs?.content?.length,
      first?.finish_reason,
    ],
    ['Hi', 'So', 1, 'stop'],
  );
  assert.deepEqual([second?.message?.refusal, second?.finish_reason], ['No', 'stop']);
  assert.ok(
    chunks.every(chunk => !('usage' in chunk)),
    'nobody asked for it',
  );
});

test('the count of the tokens comes last, where it was asked for', () => {
  const answer = { ...HEAD, choices: [{ message: { content: 'x' }, finish_reason: 'length' }] };
  const chunks = chunksOf({ ...answer, usage: USAGE }, 'chat', true);
  assert.deepEqual(
    chunks.map(({ choices, usage }) => [choices[0]?.finish_reason, usage]),
    [
      [null, null],
      ['length', null],
      [undefined, USAGE],
    ],
  );
  assert.equal(chunks[0].choices[0].delta.role, 'assistant');
  assert.equal(chunksOf(answer, 'chat', true).at(-1).usage, null, 'the engine did not count');
});

test('calls have numbers and arguments in text, whose numbers are those of the model', () => {
  const call = (id: string, args: string) =>
    `{"id":"${id}","type":"function","function":{"name":"f","arguments":${args}}}`;
  const message = `{"content":null,"tool_calls":[${call('a', '"{}"')},${call('b', '{"n":12345678901234567890}')}]}`;
  const [{ choices }] = chunksOf(`{"choices":[{"message":${message},"finish_reason":"tool_calls"}]}`);
  assert.deepEqual(choices[0].delta.tool_calls, [
    { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } },
    { index: 1, id: 'b', type: 'function', function: { name: 'f', arguments: '{"n":12345678901234567890}' } },
  ]);
});

test('a completion is told choice by choice, numbers that are none as null', () => {
  const choices =
    '[{"text":"a","logprobs":{"token_logprobs":[-Infinity]},"finish_reason":"stop"},{"text":"b","finish_reason":"length"}]';
  const chunks = chunksOf(`{"id":"cmpl-1","object":"text_completion","choices":${choices}}`, 'completions');
  assert.deepEqual(
    chunks.map(({ id, object, choices: [{ index, text, finish_reason }] }) => [
      id,
      object,
      index,
      text,
      finish_reason,
    ]),
    [
      ['cmpl-1', 'text_completion', 0, 'a', 'stop'],
      ['cmpl-1', 'text_completion', 1, 'b', 'length'],
    ],
  );
  assert.deepEqual(chunks[0].choices[0].logprobs, { token_logprobs: [null] });
});

test('a message is told by its events, block by block', () => {
  const usage = { input_tokens: 3, output_tokens: 2 };
  const content = [
    { type: 'thinking', thinking: 'So', signature: 'sig' },
    { type: 'text', text: 'Hi' },
    { type: 'tool_use', id: 't', name: 'f', input: { a: 1 } },
    { type: 'redacted_thinking', data: 'x' },
  ];
  const head = { id: 'msg_1', type: 'message', role: 'assistant', model: 'm' };
  const events = chunksOf(
    { ...head, content, stop_reason: 'tool_use', stop_sequence: null, usage },
    'messages',
  );
  assert.deepEqual(events[0].message, {
    ...head,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage,
  });
  assert.deepEqual(
    events
      .filter(({ type }) => type === 'content_block_delta')
      .map(({ index, delta }) => [index, Object.values(delta)[1]]),
    [
      [0, 'So'],
      [0, 'sig'],
      [1, 'Hi'],
      [2, '{"a":1}'],
    ],
  );
  assert.deepEqual(
    events.filter(({ type }) => type === 'content_block_start').at(-1).content_block,
    content[3],
  );
  assert.deepEqual(events.slice(-2), [
    { type: 'message_delta', delta: { stop_reason: 'tool_use', stop_sequence: null }, usage },
    { type: 'message_stop' },
  ]);
});
