import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChatChunk } from '../engine/chat-chunk.ts';
import { eventData } from '../engine/sse.ts';
import { sealedText } from './reasoning.ts';
import { failureOf, type ResponseBase, ResponseStream } from './response-stream.ts';

const base = { id: 'resp_abc', createdAt: 1, background: false, params: { model: 'm' } };
type Event = {
  type: string;
  sequence_number: number;
  output_index?: number;
  item?: { type: string; status: string };
  delta?: string;
};

function tell(chunks: ChatChunk[], about: ResponseBase = base): { events: Event[]; stream: ResponseStream } {
  const stream = new ResponseStream(about);
  const text =
    stream.created() + stream.inProgress() + chunks.map(chunk => stream.push(chunk)).join('') + stream.end(2);
  const events = [...eventData(text)]
    .filter(data => data !== '[DONE]')
    .map(data => JSON.parse(data) as Event);
  return { events, stream };
}

test('reasoning, text and tool calls become items in order, each opened and closed', () => {
  const { events, stream } = tell([
    { choices: [{ delta: { reasoning_content: 'hm' } }] },
    { choices: [{ delta: { content: 'Hel' } }] },
    { choices: [{ delta: { content: 'lo' } }] },
    {
      choices: [{ delta: { tool_calls: [{ index: 0, id: 'c1', function: { name: 'f', arguments: '{' } }] } }],
    },
    { choices: [{ delta: { tool_calls: [{ index: 0, function: { arguments: '}' } }] } }] },
    {
      choices: [
        { delta: { tool_calls: [{ index: 1, id: 'c2', function: { name: 'g', arguments: '{}' } }] } },
      ],
    },
    {
      choices: [{ delta: {}, finish_reason: 'tool_calls' }],
      usage: { prompt_tokens: 3, completion_tokens: 4 },
    },
  ]);
  assert.deepEqual(
    events.map(event => event.sequence_number),
    events.map((_, i) => i),
  );
  const added = events.filter(event => event.type === 'response.output_item.added');
  assert.deepEqual(
    added.map(event => [event.output_index, event.item?.type]),
    [
      [0, 'reasoning'],
      [1, 'message'],
      [2, 'function_call'],
      [3, 'function_call'],
    ],
  );
  assert.equal(events.filter(event => event.type === 'response.output_item.done').length, 4);
  const object = stream.object('completed', { completedAt: 2 }) as {
    output: { arguments?: string }[];
    usage: object;
  };
  assert.deepEqual(
    object.output.map(item => item.arguments),
    [undefined, undefined, '{}', '{}'],
  );
  assert.equal((object.usage as { total_tokens: number }).total_tokens, 7);
});

test('a stored completion gives the same items as its stream', () => {
  const live = tell([
    { choices: [{ delta: { content: 'Hel' } }] },
    { choices: [{ delta: { content: 'lo' }, finish_reason: 'length' }] },
  ]);
  const kept = tell([live.stream.completion]);
  assert.deepEqual(kept.stream.object('incomplete'), live.stream.object('incomplete'));
  assert.equal(kept.events.at(-1)?.type, 'response.incomplete');
});

test('an answer that is cut off is incomplete in its last item only, in the event as in the object', () => {
  const { events, stream } = tell([
    { choices: [{ delta: { reasoning_content: 'hm' } }] },
    { choices: [{ delta: { content: 'Hel' }, finish_reason: 'length' }] },
  ]);
  const done = events.filter(event => event.type === 'response.output_item.done').map(event => event.item);
  assert.deepEqual(
    done.map(item => item?.status),
    ['completed', 'incomplete'],
  );
  assert.deepEqual(stream.object('incomplete')['output'], done);
});

test('the partial answer of a cancelled response is incomplete in its last item', () => {
  const stream = new ResponseStream(base);
  stream.push({ choices: [{ delta: { reasoning_content: 'hm' } }] });
  stream.push({ choices: [{ delta: { content: 'Hel' } }] });
  const output = stream.object('cancelled')['output'] as { status: string }[];
  assert.deepEqual(
    output.map(item => item.status),
    ['completed', 'incomplete'],
  );
});

test('reasoning comes in a part of its own and as a summary, both opened before their text and closed after it', () => {
  const { events, stream } = tell([
    { choices: [{ delta: { reasoning_content: 'hm' }, finish_reason: 'stop' }] },
  ]);
  assert.deepEqual(
    events.slice(2, -1).map(event => event.type.replace('response.', '')),
    [
      'output_item.added',
      'content_part.added',
      'reasoning_summary_part.added',
      'reasoning_text.delta',
      'reasoning_summary_text.delta',
      'reasoning_text.done',
      'content_part.done',
      'reasoning_summary_text.done',
      'reasoning_summary_part.done',
      'output_item.done',
    ],
  );
  const [item] = stream.object('completed')['output'] as object[];
  assert.deepEqual(item, {
    id: 'rs_abc_0',
    type: 'reasoning',
    summary: [{ type: 'summary_text', text: 'hm' }],
    content: [{ type: 'reasoning_text', text: 'hm' }],
    status: 'completed',
  });
});

test('reasoning is packed for clients that hand it on, where they ask for that', () => {
  const include = ['reasoning.encrypted_content'];
  const stream = new ResponseStream({ ...base, include });
  stream.push({ choices: [{ message: { reasoning: 'hm', content: 'x' }, finish_reason: 'stop' }] });
  const [item] = stream.object('completed')['output'] as { encrypted_content: string }[];
  assert.equal(sealedText(item?.encrypted_content), 'hm');
});

const custom = { type: 'custom', name: 'patch' };
const space = { type: 'namespace', name: 'mcp__x', tools: [{ type: 'function', name: 'g' }] };
const part = (index: number, id: string | null, name: string | null, args: string): ChatChunk => ({
  choices: [{ delta: { tool_calls: [{ index, id, function: { name, arguments: args } }] } }],
});

test('a call of a custom tool is told as one, its text piece by piece; one of a namespace with its name', () => {
  const chunks = [
    part(0, 'c1', 'patch', ''),
    part(0, null, null, '{"inp'),
    part(0, null, null, 'ut": "a\\n'),
    part(0, null, null, 'b\\"c"}'),
    part(1, 'c2', 'mcp__x__g', '{"n":1}'),
    { choices: [{ delta: {}, finish_reason: 'tool_calls' }] },
  ];
  const { events, stream } = tell(chunks, { ...base, params: { tools: [custom, space] } });
  const call = { type: 'custom_tool_call', id: 'ctc_abc_0', call_id: 'c1', name: 'patch', input: 'a\nb"c' };
  const other = { type: 'function_call', id: 'fc_abc_1', call_id: 'c2', name: 'g', namespace: 'mcp__x' };
  const output = [
    { ...call, status: 'completed' },
    { ...other, arguments: '{"n":1}', status: 'completed' },
  ];
  assert.deepEqual(stream.object('completed')['output'], output);
  const told = events.slice(2, -1).map(({ type, delta }) => [type.replace('response.', ''), delta]);
  assert.deepEqual(told, [
    ['output_item.added', undefined],
    ['custom_tool_call_input.delta', 'a\n'],
    ['custom_tool_call_input.delta', 'b"c'],
    ['custom_tool_call_input.done', undefined],
    ['output_item.done', undefined],
    ['output_item.added', undefined],
    ['function_call_arguments.delta', '{"n":1}'],
    ['function_call_arguments.done', undefined],
    ['output_item.done', undefined],
  ]);
  assert.deepEqual(events[2]?.item, { ...call, input: '', status: 'in_progress' });
  const kept = tell([stream.completion], { ...base, params: { tools: [custom, space] } });
  assert.deepEqual(kept.stream.object('completed')['output'], output);
});

test('a failure names its cause by the codes of the API', () => {
  for (const [status, code] of [
    [400, 'invalid_prompt'],
    [413, 'invalid_prompt'],
    [429, 'rate_limit_exceeded'],
    [502, 'server_error'],
    [504, 'server_error'],
  ] as const)
    for (const told of [undefined, null, 'model_not_found'])
      assert.deepEqual(failureOf(status, 'why', told), { code, message: 'why' });
  const code = 'context_length_exceeded';
  assert.deepEqual(failureOf(400, 'why', code), { code, message: 'why' });
});
