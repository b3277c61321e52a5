import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ChatChunk, type ChatDelta, readChunk, type ToolCallDelta } from '../engine/chat-chunk.ts';
import { ResponseStream } from '../responses/response-stream.ts';
import { ChunkReader } from './chunk-reader.ts';
import { type Completion, CompletionBuilder } from './completion-builder.ts';
import { addOp, decodeOps, encodeOps, type LogOp } from './run-log.ts';

const chunk = (delta: ChatDelta, finish: string | null = null): ChatChunk => ({
  choices: [{ delta, finish_reason: finish }],
});
const STOP = chunk({}, 'tool_calls');
const part = (
  index: number | null,
  id: string | null,
  name: string | null,
  args: unknown,
): ToolCallDelta => ({
  ...(index === null ? {} : { index }),
  ...(id === null ? {} : { id }),
  function: { ...(name === null ? {} : { name }), ...(args === null ? {} : { arguments: args as string }) },
});
const calls = (...parts: ToolCallDelta[]) => chunk({ tool_calls: parts });

interface Shown {
  type: string;
  call_id?: string;
  name?: string;
  arguments?: string;
  content?: { text?: string; refusal?: string; logprobs?: object[] }[];
}
const base = { id: 'resp_x', createdAt: 1, background: false, params: {} };

/** Output of the response as it is streamed; checked to be the same from its log and from what is stored. */
function outputOf(chunks: readonly ChatChunk[]): Shown[] {
  const reader = new ChunkReader();
  const ops = chunks.flatMap(each => reader.read(each));
  const joined: LogOp[] = [];
  for (const op of ops) addOp(joined, op);
  const [live, logged, stored] = [
    new ResponseStream(base),
    new ResponseStream(base),
    new ResponseStream(base),
  ];
  live.add(ops);
  logged.add(decodeOps(encodeOps(joined)));
  const builder = new CompletionBuilder();
  for (const op of joined) builder.add(op);
  stored.push(JSON.parse(JSON.stringify(builder.completion)) as Completion);
  const outputs = [live, logged, stored].map(stream => {
    stream.end(2);
    return stream.object(stream.finalStatus, { completedAt: 2 })['output'];
  });
  assert.deepEqual(outputs[1], outputs[0], 'from the log');
  assert.deepEqual(outputs[2], outputs[0], 'from the record');
  return outputs[0] as Shown[];
}

const callsIn = (output: Shown[]) => output.map(item => [item.call_id, item.name, item.arguments]);
const TWO = [
  ['call_p', 'look', '{"q":"x y"}'],
  ['call_q', 'read', '{"n":[1,2]}'],
];

test('two calls stay two, however the engine cuts and counts them', () => {
  const cuts: Record<string, ChatChunk[]> = {
    'each under its index': [
      calls(part(0, 'call_p', 'look', '{"q":"x y"}')),
      calls(part(1, 'call_q', 'read', '{"n":[1,2]}')),
    ],
    'both under one index': [
      calls(part(0, 'call_p', 'look', '{"q":"x y"}')),
      calls(part(0, 'call_q', 'read', '{"n":[1,2]}')),
    ],
    'without an index': [
      calls(part(null, 'call_p', 'look', '{"q":')),
      calls(part(null, null, null, '"x y"}')),
      calls(part(null, 'call_q', 'read', '{"n":[1,2]}')),
    ],
    'in turns': [
      calls(part(0, 'call_p', 'look', ''), part(1, 'call_q', 'read', '')),
      calls(part(0, null, null, '{"q":')),
      calls(part(1, null, null, '{"n":[')),
      calls(part(0, null, null, '"x y"}')),
      calls(part(1, null, null, '1,2]}')),
    ],
    'id and name repeated': [
      calls(part(0, 'call_p', 'look', '{"q":')),
      calls(part(0, 'call_p', 'look', '"x y"}')),
      calls(part(1, 'call_q', 'read', '{"n":[1,')),
      calls(part(1, 'call_q', 'read', '2]}')),
    ],
    'names that come late': [
      calls(part(0, 'call_p', null, '')),
      calls(part(0, null, 'look', '')),
      calls(part(0, null, null, '{"q":"x y"}')),
      calls(part(1, 'call_q', null, '{"n":')),
      calls(part(1, null, 'read', '[1,2]}')),
    ],
    'ids that come late': [
      calls(part(0, null, 'look', null)),
      calls(part(0, 'call_p', null, '{"q":"x y"}')),
      calls(part(1, '', 'read', null)),
      calls(part(1, 'call_q', null, '{"n":[1,2]}')),
    ],
    'arguments as objects': [
      calls(part(0, 'call_p', 'look', { q: 'x y' }), part(1, 'call_q', 'read', { n: [1, 2] })),
    ],
  };
  for (const [name, chunks] of Object.entries(cuts))
    assert.deepEqual(callsIn(outputOf([...chunks, STOP])), TWO, name);
});

test('arguments are whole, cut at every character', () => {
  const text = '{"q":"x y"}';
  for (let at = 0; at <= text.length; at++) {
    const cut = [
      calls(part(0, 'call_p', 'look', text.slice(0, at))),
      calls(part(0, null, null, text.slice(at))),
    ];
    assert.deepEqual(
      callsIn(outputOf([...cut, calls(part(1, 'call_q', 'read', '{"n":[1,2]}')), STOP])),
      TWO,
      `${at}`,
    );
  }
});

test('a call without an id is given one, and one without arguments an empty object', () => {
  for (const chunks of [
    [calls(part(0, '', 'look', '{}'))],
    [calls(part(0, null, 'look', null))],
    [calls(part(null, null, 'look', '{}')), calls(part(null, null, 'look', '{}'))],
  ]) {
    const output = outputOf([...chunks, STOP]);
    assert.equal(output.length, chunks.length);
    for (const { call_id, name, arguments: args } of output) {
      assert.match(call_id ?? '', /^call_[0-9a-f]{24}$/);
      assert.deepEqual([name, args], ['look', '{}']);
    }
    assert.equal(new Set(output.map(item => item.call_id)).size, chunks.length);
  }
});

test('text, calls, reasoning and refusals keep their order and their logprobs', () => {
  const logprobs = { content: [{ token: 'a', logprob: -1 }] };
  const output = outputOf([
    { choices: [{ delta: { content: 'First ' }, logprobs }] },
    { choices: [{ delta: { content: 'words' }, logprobs }] },
    calls(part(0, 'call_p', 'look', '{}')),
    chunk({ content: 'Then' }),
    chunk({ reasoning: 'Hm' }),
    chunk({ refusal: 'No ' }),
    chunk({ refusal: 'more' }),
    STOP,
  ]);
  const told = output.map(({ type, content: [said] = [] }) => [type, said?.text ?? said?.refusal]);
  assert.deepEqual(told, [
    ['message', 'First words'],
    ['function_call', undefined],
    ['message', 'Then'],
    ['reasoning', 'Hm'],
    ['message', 'No more'],
  ]);
  assert.deepEqual(output[0]?.content?.[0]?.logprobs, [...logprobs.content, ...logprobs.content]);
});

test('content in parts is text, and thinking among it reasoning', () => {
  const output = outputOf([
    chunk({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] }] }),
    chunk({ content: [{ type: 'thinking', thinking: ' so' }] }),
    chunk({
      content: [
        { type: 'text', text: 'One' },
        { type: 'reference', reference_ids: [1] },
      ],
    }),
    chunk({ content: [{ type: 'text', text: ' two' }] }),
    STOP,
  ]);
  const told = output.map(({ type, content: [said] = [] }) => [type, said?.text]);
  assert.deepEqual(told, [
    ['reasoning', 'Hm so'],
    ['message', 'One two'],
  ]);
});

test('a call of older engines is one, and none beside the same call of today', () => {
  const legacy = (name: string | null, args: string) => ({ function_call: { name, arguments: args } });
  for (const chunks of [
    [chunk(legacy('look', '{"q":')), chunk(legacy(null, '1}'))],
    [chunk({ ...legacy('look', '{"q":1}'), tool_calls: [part(0, 'call_p', 'look', '{"q":1}')] })],
    [{ choices: [{ message: { content: null, ...legacy('look', '{"q":1}') } }] }],
  ])
    assert.deepEqual(
      outputOf([...chunks, STOP]).map(({ name, arguments: args }) => [name, args]),
      [['look', '{"q":1}']],
    );
});

test('numbers in arguments that are an object keep all their digits', () => {
  const data =
    '{"choices":[{"message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments": {"n":9007199254740993}}}]}}]}';
  const [op] = new ChunkReader().read(readChunk(data));
  assert.deepEqual(op, ['c', 0, 'a', 'f', '{"n":9007199254740993}']);
});

test('a whole answer reads as its stream would', () => {
  const stream = new ResponseStream(base);
  const message = {
    content: 'Text',
    tool_calls: [part(null, '', 'look', { q: 1 }), part(null, '', 'look', '{}')],
  };
  stream.push({ choices: [{ message, finish_reason: 'tool_calls' }] });
  const output = stream.object('completed')['output'] as Shown[];
  assert.deepEqual(
    output.map(item => [item.type, item.arguments]),
    [
      ['message', undefined],
      ['function_call', '{"q":1}'],
      ['function_call', '{}'],
    ],
  );
});

test('tool calls that are no list are an error of the engine', () => {
  const said = { choices: [{ delta: { tool_calls: 7 } }] } as unknown as ChatChunk;
  assert.throws(() => new ChunkReader().read(said), /no list/);
});
