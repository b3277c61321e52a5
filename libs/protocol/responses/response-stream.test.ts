import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChatChunk } from '../engine/chat-chunk.ts';
import { eventData } from '../engine/sse.ts';
import { ResponseStream } from './response-stream.ts';

const base = { id: 'resp_abc', createdAt: 1, background: false, params: { model: 'm' } };
type Event = {
  type: string;
  sequence_number: number;
  output_index?: number;
  item?: { type: string; status: string };
  delta?: string;
};

function tell(chunks: ChatChunk[]): { events: Event[]; stream: ResponseStream } {
  const stream = new ResponseStream(base);
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

test('reasoning comes in a part that is opened before its text and closed after it', () => {
  const { events } = tell([{ choices: [{ delta: { reasoning_content: 'hm' }, finish_reason: 'stop' }] }]);
  assert.deepEqual(
    events.slice(2, -1).map(event => event.type.replace('response.', '')),
    [
      'output_item.added',
      'content_part.added',
      'reasoning_text.delta',
      'reasoning_text.done',
      'content_part.done',
      'output_item.done',
    ],
  );
});
