import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Compaction, compactionObject, keptItems, readCompactRequest } from './compaction.ts';
import type { InputItem } from './messages.ts';
import { readResponsesRequest } from './request.ts';

const said = (role: string, content: string): InputItem => ({ role, content });
const call = { type: 'function_call', call_id: 'c1', name: 'ls', arguments: '{}' };
const output = { type: 'function_call_output', call_id: 'c1', output: 'a.ts' };
const conversation = [
  said('developer', 'Be brief.'),
  said('user', 'List.'),
  call,
  output,
  said('assistant', 'a.ts'),
];
const chatOf = (body: object, earlier: readonly InputItem[] = []) => {
  const asked = readCompactRequest({ model: 'm', ...body });
  return asked.chatOf([...earlier, ...asked.input]);
};
const shapeOf = (summary: string, kept: readonly InputItem[]) => {
  const about: Compaction = { id: 'r1', createdAt: 1500, kept, summary, usage: { prompt_tokens: 9 } };
  return compactionObject(about) as { output: InputItem[]; usage: { input_tokens: number } };
};

test('the whole conversation is sent, with what asks for a summary last', () => {
  const tools = [{ type: 'function', name: 'ls', parameters: {} }];
  const { messages, ...fields } = chatOf({
    ...{
      input: conversation,
      instructions: 'You list.',
      tools,
      stream: true,
      text: { format: { type: 'json_object' } },
    },
  });
  assert.deepEqual(
    messages.map(({ role }) => role),
    ['system', 'user', 'assistant', 'tool', 'assistant', 'user'],
  );
  assert.equal(messages[0]?.['content'], 'You list.\n\nBe brief.');
  assert.match(String(messages.at(-1)?.['content']), /summarise this conversation/);
  assert.equal(fields['tool_choice'], 'none');
  assert.ok(Array.isArray(fields['tools']));
  assert.deepEqual([fields['stream'], fields['response_format']], [undefined, undefined]);
});

test('what users said and what was said for the system stays, all else is in the summary', () => {
  const asked = readCompactRequest({ model: 'm', input: conversation });
  const kept = keptItems(asked.input);
  assert.deepEqual(kept, [conversation[0], conversation[1]]);
  const { output: items, usage } = shapeOf('Listed: "a.ts".', kept);
  assert.deepEqual(
    items.map(({ type, role }) => role ?? type),
    ['developer', 'user', 'compaction'],
  );
  assert.equal(new Set(items.map(({ id }) => id)).size, 3);
  assert.equal(usage.input_tokens, 9);
});

test('the items are input to go on with: one message of the user, whose summary can be compacted again', () => {
  const first = shapeOf(
    'Listed: "ä.ts".',
    keptItems(readCompactRequest({ model: 'm', input: conversation }).input),
  );
  const input = [...first.output, said('user', 'Delete it.')];
  const { messages } = readResponsesRequest({ model: 'm', input }).chatOf(input);
  assert.deepEqual(messages, [
    { role: 'system', content: 'Be brief.' },
    {
      role: 'user',
      content: 'List.\n\nSummary of the conversation so far:\n\nListed: "ä.ts".\n\nDelete it.',
    },
  ]);
  const again = chatOf({ input: [...input, said('assistant', 'Done.')] }).messages;
  assert.match(String(again[1]?.['content']), /ä\.ts/);
  const picture = { role: 'user', content: [{ type: 'input_image', image_url: 'https://x/a.png' }] };
  const shown = [
    picture,
    ...first.output.slice(2),
    said('assistant', 'Yes?'),
    said('user', 'One'),
    said('user', 'Two'),
  ];
  const parts = readResponsesRequest({ model: 'm', input: shown }).chatOf(shown).messages;
  assert.deepEqual(
    parts.map(({ role }) => role),
    ['user', 'assistant', 'user', 'user'],
  );
  assert.deepEqual(
    ((parts[0]?.['content'] ?? []) as { type: string }[]).map(({ type }) => type),
    ['image_url', 'text'],
  );
});

test('there has to be something to compact', () => {
  for (const body of [{}, { input: null }, { input: [] }])
    assert.throws(() => chatOf(body), {
      code: 'invalid_request',
      param: 'input',
      message: /previous_response_id/,
    });
  assert.throws(() => chatOf({ input: [{ type: 'nonsense' }] }), { param: 'input[0].type' });
  assert.throws(() => chatOf({ input: 'x', model: null }), { param: 'model' });
  for (const body of [{ input: 'x' }, { previous_response_id: 'resp_1' }, { conversation: { id: 'conv_1' } }])
    assert.ok(chatOf(body, [said('user', 'x')]).messages.length > 0);
});
