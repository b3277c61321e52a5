import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toolCallFor } from './tool-call.ts';

const tool = (name: string, parameters?: object) => ({ type: 'function', function: { name, parameters } });
const messages = [{ role: 'user', content: 'What is the weather?' }];
const weather = tool('get_weather', {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer' }, unit: { enum: ['C', 'F'] } },
  required: ['city', 'days', 'unit'],
});

test('the first tool is called with what it requires', () => {
  const call = toolCallFor({ messages, tools: [weather, tool('other')] });
  assert.equal(call?.name, 'get_weather');
  assert.deepEqual(JSON.parse(call?.pieces.join('') ?? ''), { city: 'river', days: 1, unit: 'C' });
});

test('a result, or "none", is answered in words', () => {
  const shown = [...messages, { role: 'tool', tool_call_id: 'a', content: 'sunny' }];
  assert.equal(toolCallFor({ messages: shown, tools: [weather] }), null);
  assert.equal(toolCallFor({ messages, tools: [weather], tool_choice: 'none' }), null);
  assert.equal(toolCallFor({ messages, tools: [] }), null);
});

test('a choice is obeyed, and must be one of the tools', () => {
  const chosen = { type: 'function', function: { name: 'other' } };
  assert.equal(
    toolCallFor({ messages, tools: [weather, tool('other')], tool_choice: chosen })?.name,
    'other',
  );
  assert.throws(() => toolCallFor({ messages, tools: [weather], tool_choice: chosen }), /names no tool/);
  assert.throws(() => toolCallFor({ messages, tools: [{ type: 'web_search' }] }), /function with a name/);
});
