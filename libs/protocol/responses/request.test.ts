import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readResponsesRequest } from './request.ts';

const call = { type: 'function_call', call_id: 'c', name: 'f' };

test('calls, their outputs and tools without the names that an engine needs are refused by field', () => {
  for (const [fields, param] of [
    [{ input: [{ ...call, call_id: undefined }] }, 'input[0].call_id'],
    [{ input: [{ ...call, name: '' }] }, 'input[0].name'],
    [{ input: [{ type: 'function_call_output', output: 'x' }] }, 'input[0].call_id'],
    [{ input: 'x', tools: [{ type: 'function' }] }, 'tools[0].name'],
    [{ input: 'x', tool_choice: { type: 'function' } }, 'tool_choice.name'],
  ] as const)
    assert.throws(() => readResponsesRequest({ model: 'm', ...fields }), { code: 'invalid_request', param });
  const { chat } = readResponsesRequest({ model: 'm', input: [call] });
  const calls = [{ id: 'c', type: 'function', function: { name: 'f', arguments: '' } }];
  assert.deepEqual(chat.messages, [{ role: 'assistant', content: null, tool_calls: calls }]);
});

test('an error about a missing or unsupported field says what to do', () => {
  for (const [fields, message] of [
    [{}, /string or an array/],
    [{ input: 'x', conversation: 'conv_1' }, /previous_response_id/],
    [{ input: 'x', prompt: { id: 'p' } }, /instructions/],
  ] as const)
    assert.throws(() => readResponsesRequest({ model: 'm', ...fields }), { message });
});
