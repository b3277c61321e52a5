import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseExactText } from '../json/exact-json.ts';
import { readCountRequest, readMessagesRequest } from './to-chat.ts';

const head = { model: 'm', max_tokens: 10 };
const user = { role: 'user', content: 'Hello' };
const read = (body: object) => readMessagesRequest({ ...head, ...body }, { ...head, ...body });
const chatOf = (body: object) => read({ messages: [user], ...body }).chat;
const messagesOf = (...messages: object[]) => read({ messages }).chat['messages'];

test('what both APIs have keeps its value, what they name differently is renamed', () => {
  const body = {
    ...{ messages: [user], stream: true, temperature: 0.5, top_p: 0.9, top_k: 5, stop_sequences: ['END'] },
    ...{ metadata: { user_id: 'u-1' }, cache_control: { type: 'ephemeral' }, seed: 7 },
  };
  assert.deepEqual(chatOf(body), {
    ...{
      model: 'm',
      messages: [user],
      max_tokens: 10,
      stream: true,
      stream_options: { include_usage: true },
    },
    ...{ temperature: 0.5, top_p: 0.9, top_k: 5, stop: ['END'], user: 'u-1', seed: 7 },
  });
  assert.deepEqual(read(body && { messages: [user], stop_sequences: ['END'] }).stopSequences, ['END']);
});

test('the system prompt comes first, as text or blocks, without the line of it that always changes', () => {
  const text = (value: string) => ({ type: 'text', text: value, cache_control: { type: 'ephemeral' } });
  const lead = (system: unknown) => (chatOf({ system })['messages'] as object[])[0];
  assert.deepEqual(lead('Be brief.'), { role: 'system', content: 'Be brief.' });
  assert.deepEqual(lead([text('x-anthropic-billing-header: cch=1;'), text('Be brief.'), text('Be kind.')]), {
    ...{ role: 'system', content: 'Be brief.\nBe kind.' },
  });
  assert.deepEqual(lead([]), user);
});

test('calls and results of tools: results directly follow the calls, whatever the user says beside them', () => {
  const call = { type: 'tool_use', id: 'toolu_1', name: 'f', input: { city: 'Rome' } };
  const result = { type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: '20 °C' }] };
  const thinking = { type: 'thinking', thinking: 'f knows', signature: 's' };
  const said = messagesOf(
    user,
    { role: 'assistant', content: [thinking, { type: 'text', text: 'Let me look.' }, call] },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'And Paris?' },
        { ...result, is_error: false },
      ],
    },
  );
  const asked = { name: 'f', arguments: '{"city":"Rome"}' };
  assert.deepEqual(said, [
    user,
    {
      ...{ role: 'assistant', content: 'Let me look.', reasoning_content: 'f knows' },
      tool_calls: [{ id: 'toolu_1', type: 'function', function: asked }],
    },
    { role: 'tool', tool_call_id: 'toolu_1', content: '20 °C' },
    { role: 'user', content: 'And Paris?' },
  ]);
});

test('images and documents by base64, URL or as text', () => {
  const image = (source: object) => ({ type: 'image', source });
  const part = (url: string) => ({ type: 'image_url', image_url: { url } });
  const content = [
    image({ type: 'base64', media_type: 'image/png', data: 'AAAA' }),
    image({ type: 'url', url: 'https://x/y.png' }),
    { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'Once.' } },
  ];
  const parts = [
    part('data:image/png;base64,AAAA'),
    part('https://x/y.png'),
    { type: 'text', text: 'Once.' },
  ];
  assert.deepEqual(messagesOf({ role: 'user', content }), [{ role: 'user', content: parts }]);
  const shown = { type: 'tool_result', tool_use_id: 't', content: content.slice(0, 1) };
  assert.deepEqual(messagesOf({ role: 'user', content: [shown] }), [
    { role: 'tool', tool_call_id: 't', content: parts.slice(0, 1) },
  ]);
});

test('tools with a schema are functions; those that Anthropic runs are left out', () => {
  const tools = [
    { name: 'f', description: 'd', input_schema: { type: 'object' }, cache_control: {} },
    { type: 'web_search_20250305', name: 'web_search' },
  ];
  const made = {
    type: 'function',
    function: { name: 'f', description: 'd', parameters: { type: 'object' } },
  };
  assert.deepEqual(chatOf({ tools })['tools'], [made]);
  assert.equal('tools' in chatOf({ tools: tools.slice(1), tool_choice: { type: 'any' } }), false);
  const choice = (tool_choice: object) => chatOf({ tools, tool_choice })['tool_choice'];
  assert.equal(choice({ type: 'any' }), 'required');
  assert.equal(choice({ type: 'none' }), 'none');
  assert.deepEqual(choice({ type: 'tool', name: 'f' }), { type: 'function', function: { name: 'f' } });
  const alone = chatOf({ tools, tool_choice: { type: 'auto', disable_parallel_tool_use: true } });
  assert.deepEqual([alone['tool_choice'], alone['parallel_tool_calls']], ['auto', false]);
});

test('thinking, effort and a schema for the answer are said as engines take them', () => {
  const kwargs = (thinking: object) => chatOf({ thinking })['chat_template_kwargs'];
  assert.deepEqual(kwargs({ type: 'enabled', budget_tokens: 2000 }), { enable_thinking: true });
  assert.deepEqual(kwargs({ type: 'disabled' }), { enable_thinking: false });
  assert.equal('chat_template_kwargs' in chatOf({}), false);
  const schema = { type: 'object' };
  const output = chatOf({ output_config: { effort: 'max', format: { type: 'json_schema', schema } } });
  assert.equal(output['reasoning_effort'], 'high');
  assert.deepEqual(output['response_format'], {
    ...{ type: 'json_schema', json_schema: { name: 'output', schema, strict: true } },
  });
});

test('a last message of the assistant is continued', () => {
  const begun = chatOf({ messages: [user, { role: 'assistant', content: 'Once upon' }] });
  assert.deepEqual([begun['continue_final_message'], begun['add_generation_prompt']], [true, false]);
});

test('long numbers in what tools were given survive', () => {
  const input = '{"id":12345678901234567890}';
  const text = JSON.stringify({
    ...head,
    messages: [user, { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: 0 }] }],
  }).replace('"input":0', `"input":${input}`);
  const { chat } = readMessagesRequest(JSON.parse(text), parseExactText(text));
  assert.ok(JSON.stringify(chat).includes(JSON.stringify(input)));
});

test('a mistake is named by its field', () => {
  const refused = (body: object, param: string) => {
    assert.throws(() => read(body), { code: 'invalid_request', param });
  };
  refused({ messages: [user], max_tokens: undefined }, 'max_tokens');
  refused({ messages: [] }, 'messages');
  refused({ messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].role');
  refused({ messages: [{ role: 'user', content: [{ type: 'sound' }] }] }, 'messages[0].content[0].type');
  refused({ messages: [{ role: 'user', content: [{ type: 'image' }] }] }, 'messages[0].content[0].source');
  const result = { type: 'tool_result', tool_use_id: 't', content: [null] };
  refused({ messages: [{ role: 'user', content: [result] }] }, 'messages[0].content[0].content[0]');
  refused({ messages: [user], tools: [{ input_schema: {} }] }, 'tools[0].name');
});

test('counting needs no max_tokens', () => {
  const body = { model: 'm', messages: [user], system: 's' };
  const lead = { role: 'system', content: 's' };
  assert.deepEqual(readCountRequest(body, body), { model: 'm', messages: [lead, user] });
});
