import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogOp } from '../runs/run-log.ts';
import { MessageStream } from './message-stream.ts';

type Event = Record<string, unknown> & { type: string; index?: number; delta?: Record<string, unknown> };

const USAGE = { prompt_tokens: 10, completion_tokens: 4, prompt_tokens_details: { cached_tokens: 6 } };
const call = (number: number, id: string | null, text: string): LogOp => [
  ...(['c', number, id, id === null ? null : `f_${id}`, text] as const),
];

/** @param parts of the answer, in the order in which they come. */
function tell(parts: readonly LogOp[], stopped: string | null = null) {
  const stream = new MessageStream({ id: 'msg_1', model: 'm', inputTokens: 99 });
  let text = stream.begin();
  for (const part of parts) text += stream.add([part], part[0] === 'f' ? stopped : null);
  text += stream.end();
  const events = text
    .trimEnd()
    .split('\n\n')
    .map(block => {
      const [name = '', data = ''] = block.split('\n');
      const event = JSON.parse(data.slice('data: '.length)) as Event;
      assert.equal(name, `event: ${event.type}`);
      return event;
    });
  return { events, message: stream.message };
}

/** As an SDK puts it together. */
function assembled(events: readonly Event[]) {
  const blocks: Record<string, string>[] = [];
  for (const { type, index = -1, delta = {}, content_block: begun } of events) {
    if (type === 'content_block_start') {
      assert.equal(index, blocks.length);
      blocks.push({ ...(begun as Record<string, string>), json: '' });
    }
    const block = blocks[index];
    if (type !== 'content_block_delta' || block === undefined) continue;
    assert.equal(index, blocks.length - 1, 'one block at a time');
    for (const [from, to] of [
      ['text', 'text'],
      ['thinking', 'thinking'],
      ['signature', 'signature'],
      ['partial_json', 'json'],
    ] as const)
      if (delta[from] !== undefined) block[to] = (block[to] ?? '') + String(delta[from]);
  }
  return blocks.map(({ json, ...block }) =>
    json === '' ? block : { ...block, input: JSON.parse(json ?? '') },
  );
}

test('thinking, text and a call: each is a block that begins, grows and ends', () => {
  const parts: LogOp[] = [
    ...([
      ['r', 'Be'],
      ['r', 'cause'],
      ['t', 'Let me', 1],
      ['t', ' look', 1],
    ] as LogOp[]),
    ...[call(0, 'a', ''), call(0, null, '{"a"'), call(0, null, ':1}')],
    ...([
      ['f', 'tool_calls'],
      ['u', USAGE],
    ] as LogOp[]),
  ];
  const { events, message } = tell(parts);
  assert.deepEqual(
    events.map(({ type, index }) => (index === undefined ? type : `${type} ${index}`)),
    [
      ...['message_start', 'content_block_start 0', 'ping'],
      ...['content_block_delta 0', 'content_block_delta 0', 'content_block_delta 0', 'content_block_stop 0'],
      ...['content_block_start 1', 'content_block_delta 1', 'content_block_delta 1', 'content_block_stop 1'],
      ...['content_block_start 2', 'content_block_delta 2', 'content_block_delta 2', 'content_block_delta 2'],
      ...['content_block_stop 2', 'message_delta', 'message_stop'],
    ],
  );
  const usage = {
    input_tokens: 4,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 6,
    output_tokens: 4,
  };
  assert.deepEqual(message, {
    ...{ id: 'msg_1', type: 'message', role: 'assistant', model: 'm' },
    content: [
      { type: 'thinking', thinking: 'Because', signature: 'cGVuc3RvY2s=' },
      { type: 'text', text: 'Let me look' },
      { type: 'tool_use', id: 'a', name: 'f_a', input: { a: 1 } },
    ],
    ...{ stop_reason: 'tool_use', stop_sequence: null, usage },
  });
  assert.deepEqual(assembled(events), message['content']);
  assert.deepEqual(events.at(-2), {
    ...{ type: 'message_delta', delta: { stop_reason: 'tool_use', stop_sequence: null }, usage },
  });
  const start = events[0]?.['message'] as Record<string, unknown>;
  assert.deepEqual([start['content'], start['stop_reason']], [[], null]);
  const none = { cache_read_input_tokens: 0, output_tokens: 0 };
  assert.deepEqual(start['usage'], { ...usage, input_tokens: 99, ...none });
});

test('calls that come in turns follow one another, in whatever pieces they come', () => {
  const texts = ['{"a":{"b":[1,2]}}', '{}', '{"c":"}"}'];
  for (let seed = 1; seed <= 200; seed++) {
    let state = seed;
    const random = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return (state >> 8) % below;
    };
    const left = texts.map(text => text);
    const begun = texts.map(() => false);
    const parts: LogOp[] = [];
    while (left.some((text, i) => text !== '' || !begun[i])) {
      const i = random(texts.length);
      const size = random(4);
      parts.push(call(i, begun[i] ? null : `c${i}`, (left[i] ?? '').slice(0, size)));
      begun[i] = true;
      left[i] = (left[i] ?? '').slice(size);
    }
    const { events, message } = tell([...parts, ['f', 'tool_calls']]);
    const content = message['content'] as { id: string; input: object }[];
    const inputs = new Map(content.map(({ id, input }) => [id, JSON.stringify(input)]));
    assert.equal(content.length, texts.length);
    for (const [i, text] of texts.entries()) assert.equal(inputs.get(`c${i}`), text);
    assert.deepEqual(assembled(events), content);
  }
});

test('why it ended', () => {
  const reason = (finish: string, stopped: string | null = null, ...parts: LogOp[]) => {
    const { message } = tell([...parts, ['f', finish]], stopped);
    return [message['stop_reason'], message['stop_sequence']];
  };
  assert.deepEqual(reason('stop'), ['end_turn', null]);
  assert.deepEqual(reason('stop', 'END'), ['stop_sequence', 'END']);
  assert.deepEqual(reason('length'), ['max_tokens', null]);
  assert.deepEqual(reason('stop', null, call(0, 'a', '{}')), ['tool_use', null]);
  assert.deepEqual(reason('content_filter'), ['refusal', null]);
  assert.deepEqual(reason('stop', null, ['x', 'I will not.']), ['refusal', null]);
});

test('text after a call is a block of its own; arguments that are cut short are shown as they are', () => {
  const { message } = tell([
    ['t', 'Before', 1],
    call(0, 'a', '{}'),
    ['t', 'After', 1],
    call(1, 'b', '{"x"'),
    ['f', 'length'],
  ]);
  assert.deepEqual(message['content'], [
    { type: 'text', text: 'Before' },
    { type: 'tool_use', id: 'a', name: 'f_a', input: {} },
    { type: 'text', text: 'After' },
    { type: 'tool_use', id: 'b', name: 'f_b', input: { arguments: '{"x"' } },
  ]);
});

test('an engine that does not count tokens has its pieces counted', () => {
  const { message } = tell([
    ['r', 'Be'],
    ['t', 'One', 1],
    ['t', ' two', 1],
    ['f', 'stop'],
  ]);
  const usage = { cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 3 };
  assert.deepEqual(message['usage'], { input_tokens: 99, ...usage });
});

test('a long number in the arguments survives', () => {
  const { message } = tell([call(0, 'a', '{"id":12345678901234567890}'), ['f', 'tool_calls']]);
  assert.ok(JSON.stringify(message).includes('{"id":12345678901234567890}'));
});
