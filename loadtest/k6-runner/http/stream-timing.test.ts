import assert from 'node:assert/strict';
import { test } from 'node:test';
import { carriesOutput, StreamTiming } from './stream-timing.ts';

const delta = (content: string) =>
  `data: {"choices":[{"index":0,"delta":{"content":${JSON.stringify(content)}}}]}\n\n`;

function read(chunks: readonly (readonly [number, string])[]): StreamTiming {
  const timing = new StreamTiming();
  for (const [at, text] of chunks) timing.read(Buffer.from(text), at);
  return timing;
}

test('tokens are timed from chunk to chunk; the role, the end and comments are none', () => {
  const timing = read([
    [0, 'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'],
    [5, ': keep-alive\n\n'],
    [10, delta('a')],
    [30, delta('b')],
    [45, delta('c')],
    [46, 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'],
  ]);
  assert.equal(timing.firstAt, 10);
  assert.deepEqual(timing.gaps, [20, 15]);
});

test('several tokens in one chunk share its gap: the mean is (last − first) ÷ (tokens − 1)', () => {
  const timing = read([
    [10, delta('a')],
    [40, delta('b') + delta('c') + delta('d')],
  ]);
  assert.deepEqual(timing.gaps, [10, 10, 10]);
});

test('an event that is torn between chunks counts when it is whole', () => {
  const text = delta('später "zitiert"');
  const timing = read([
    [1, delta('a')],
    [2, text.slice(0, 30)],
    [3, text.slice(30)],
    [4, delta('b').replaceAll('\n', '\r\n')],
  ]);
  assert.deepEqual(timing.gaps, [2, 1]);
});

test('all dialects of output count, and only output', () => {
  for (const event of [
    'data: {"choices":[{"text":"x"}]}',
    'data: {"choices":[{"delta":{"reasoning_content":"x"}}]}',
    'data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{"}}]}}]}',
    'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"x"}',
  ]) {
    assert.ok(carriesOutput(event), event);
  }
  for (const event of [
    'data: {"choices":[{"delta":{"content":null}}],"usage":{"completion_tokens":3}}',
    'data: {"type":"response.output_text.done","text":"whole"}',
    'data: {"type":"response.completed","response":{"output":[{"content":[{"text":"whole"}]}]}}',
    'data: [DONE]',
  ]) {
    assert.ok(!carriesOutput(event), event);
  }
});
