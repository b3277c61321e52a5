import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChatChunk } from '../engine/chat-chunk.ts';
import { ResponseStream } from '../responses/response-stream.ts';
import { ChunkReader } from './chunk-reader.ts';
import { CompletionBuilder } from './completion-builder.ts';
import { addOp, decodeOps, encodeOps, type LogOp } from './run-log.ts';

const chunks: ChatChunk[] = [
  { choices: [{ delta: { reasoning_content: 'Let me ' } }] },
  { choices: [{ delta: { reasoning_content: 'see.' } }] },
  { choices: [{ delta: { content: 'A "quoted" ' } }] },
  { choices: [{ delta: { content: 'text \ud83d' } }] },
  { choices: [{ delta: { content: '\ude80' } }] },
  { choices: [{ delta: { tool_calls: [{ index: 0, id: 'c1', function: { name: 'f', arguments: '' } }] } }] },
  { choices: [{ delta: { tool_calls: [{ index: 0, function: { arguments: '{"a"' } }] } }] },
  { choices: [{ delta: { tool_calls: [{ index: 0, function: { arguments: ':1}' } }] } }] },
  { choices: [{ delta: {}, finish_reason: 'tool_calls' }] },
  { choices: [], usage: { prompt_tokens: 3, completion_tokens: 9, total_tokens: 12 } },
];
const reader = new ChunkReader();
const ops = chunks.flatMap(chunk => reader.read(chunk));
const base = { id: 'resp_x', createdAt: 1, background: true, params: {} };

function tell(logged: readonly LogOp[], after = -1): string {
  const stream = new ResponseStream(base, after);
  const start = stream.created() + stream.inProgress();
  return start + stream.add(logged) + stream.end(2);
}

test('events derived from the log equal those derived from the stream itself', () => {
  const stream = new ResponseStream(base);
  const live = stream.created() + stream.inProgress() + chunks.map(chunk => stream.push(chunk)).join('');
  assert.equal(tell(decodeOps(encodeOps(ops))), live + stream.end(2));
});

test('events after a number are the tail of all events, whatever the number', () => {
  const all = tell(ops).split('\n\n');
  for (let after = -1; after < all.length - 2; after++)
    assert.deepEqual(tell(ops, after).split('\n\n'), all.slice(after + 1));
});

test('joining what one tick brings changes how many events there are, not what they say', () => {
  const joined: LogOp[] = [];
  for (const op of ops) addOp(joined, op);
  assert.ok(joined.length < ops.length);
  const [whole, parts] = [new CompletionBuilder(), new CompletionBuilder()];
  for (const op of joined) whole.add(op);
  for (const op of ops) parts.add(op);
  assert.deepEqual(whole.completion, parts.completion);
  const message = whole.completion.choices?.[0]?.message;
  assert.equal(message?.content, 'A "quoted" text 🚀');
  assert.equal(message?.reasoning_content, 'Let me see.');
  assert.deepEqual(message?.tool_calls?.[0]?.function, { name: 'f', arguments: '{"a":1}' });
  assert.equal(whole.finishReason, 'tool_calls');
});
