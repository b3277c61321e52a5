import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exactJson } from '../json/exact-json.ts';
import { readResponsesRequest } from './request.ts';

const call = { type: 'function_call', call_id: 'c', name: 'f' };

test('calls, their outputs and tools without the names that an engine needs are refused by field', () => {
  for (const [fields, param] of [
    [{ input: [{ ...call, call_id: undefined }] }, 'input[0].call_id'],
    [{ input: [{ ...call, name: '' }] }, 'input[0].name'],
    [{ input: [{ type: 'function_call_output', output: 'x' }] }, 'input[0].call_id'],
    [{ input: 'x', tools: [{ type: 'function' }] }, 'tools[0].name'],
    [{ input: 'x', tool_choice: { type: 'function' } }, 'tool_choice.name'],
    [{ input: 'x', tool_choice: { type: 'allowed_tools', tools: [null] } }, 'tool_choice.tools[0]'],
    [{ input: 'x', tools: [{ type: 7 }] }, 'tools[0].type'],
  ] as const)
    assert.throws(() => readResponsesRequest({ model: 'm', ...fields }), { code: 'invalid_request', param });
  const asked = readResponsesRequest({ model: 'm', input: [call] });
  const chat = asked.chatOf(asked.input);
  const calls = [{ id: 'c', type: 'function', function: { name: 'f', arguments: '' } }];
  assert.deepEqual(chat.messages, [{ role: 'assistant', content: null, tool_calls: calls }]);
});

test('an error about a missing or unsupported field says what to do', () => {
  for (const [fields, message] of [
    [{}, /string or an array/],
    [
      { input: 'x', conversation: 'conv_1', previous_response_id: 'resp_1' },
      /leave `previous_response_id` out/,
    ],
    [{ input: 'x', prompt: { id: 'p' } }, /instructions/],
  ] as const)
    assert.throws(() => readResponsesRequest({ model: 'm', ...fields }), { message });
});

test('a reference to an item needs no type', () => {
  for (const reference of [
    { type: 'item_reference', id: 'msg_1' },
    { type: null, id: 'msg_1' },
    { id: 'msg_1' },
  ])
    assert.deepEqual(readResponsesRequest({ model: 'm', input: [reference] }).input, [reference]);
  for (const item of [{}, { content: 'x' }, { type: 'unheard_of', id: 'x' }])
    assert.throws(() => readResponsesRequest({ model: 'm', input: [item] }), { param: 'input[0].type' });
});

/** What an engine gets. */
function chatFor(fields: object): Record<string, unknown> {
  const asked = readResponsesRequest({ model: 'm', input: 'hi', ...fields });
  return asked.chatOf(asked.input);
}
const hi = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const look = { type: 'function', name: 'look', parameters: { type: 'object' } };
const lookAtEngine = {
  type: 'function',
  function: { name: 'look', description: undefined, parameters: { type: 'object' }, strict: undefined },
};

test('fields that are not of this API go to the engine as they are; those of this API alone do not', () => {
  const given = {
    ...{ top_k: 5, min_p: 0.1, seed: 7, stop: ['X'], repetition_penalty: 1.1, ignore_eos: true },
    chat_template_kwargs: { enable_thinking: false },
  };
  assert.deepEqual(chatFor(given), { ...given, ...hi });
  const own = {
    ...{ include: ['reasoning.encrypted_content'], client_metadata: { a: 'b' }, truncation: 'auto' },
    ...{ metadata: { a: 'b' }, store: false, max_tool_calls: 3, moderation: null, service_tier: 'flex' },
    ...{ messages: [{ role: 'user', content: 'other' }], n: 3, functions: [{}], tool_choice: 'auto' },
    ...{ parallel_tool_calls: false, tools: [], stream_options: { include_obfuscation: false } },
  };
  assert.deepEqual(chatFor(own), hi);
});

test('fields that chat names otherwise are translated, and null is no value', () => {
  const chat = chatFor({
    ...{ max_output_tokens: 9, top_logprobs: 2, text: { verbosity: 'low' }, reasoning: { effort: 'high' } },
  });
  assert.deepEqual(chat, {
    ...{
      max_completion_tokens: 9,
      logprobs: true,
      top_logprobs: 2,
      verbosity: 'low',
      reasoning_effort: 'high',
    },
    ...hi,
  });
  assert.equal(chatFor({ include: ['message.output_text.logprobs'] })['logprobs'], true);
  const nothing = ['tools', 'tool_choice', 'text', 'reasoning', 'metadata', 'conversation', 'prompt', 'seed'];
  assert.deepEqual(chatFor(Object.fromEntries(nothing.map(name => [name, null]))), hi);
});

test('a long number for the engine keeps its digits', () => {
  const bytes = Buffer.from(
    '{"model":"m","input":"hi","seed":9223372036854775807,"x":{"y":[9007199254740993]}}',
  );
  const value = JSON.parse(bytes.toString()) as unknown;
  const asked = readResponsesRequest(value, exactJson(bytes, value));
  assert.equal(asked.isPlain, false);
  const sent = JSON.stringify(asked.chatOf(asked.input));
  assert.ok(sent.includes('"seed":9223372036854775807') && sent.includes('[9007199254740993]'), sent);
});

test('tools that no engine has are left out and named; what is left may be chosen', () => {
  const tools = [look, { type: 'web_search', external_web_access: false }, { type: 'local_shell' }];
  const asked = readResponsesRequest({ model: 'm', input: 'hi', tools, tool_choice: 'required' });
  assert.deepEqual(asked.omittedTools, ['web_search', 'local_shell']);
  assert.deepEqual(asked.chatOf(asked.input)['tools'], [lookAtEngine]);
  assert.equal(asked.chatOf(asked.input)['tool_choice'], 'required');
  assert.deepEqual((asked.params['tools'] as object[])[1], tools[1]);
  for (const tool_choice of ['required', { type: 'web_search' }])
    assert.deepEqual(chatFor({ tools: tools.slice(1), tool_choice }), hi);
  assert.deepEqual(chatFor({ tools, tool_choice: { type: 'web_search' } })['tool_choice'], undefined);
});

test('a choice among tools offers those alone', () => {
  const tools = [look, { ...look, name: 'read' }, { type: 'custom', name: 'patch' }];
  const mode = { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'look' }] };
  const chat = chatFor({ tools, tool_choice: mode });
  assert.deepEqual([chat['tools'], chat['tool_choice']], [[lookAtEngine], 'required']);
  assert.deepEqual(chatFor({ tools, tool_choice: { type: 'custom', name: 'patch' } })['tool_choice'], {
    type: 'function',
    function: { name: 'patch' },
  });
});
