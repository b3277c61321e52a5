import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ShownText } from './shown-text.ts';

function chunk(content: string): string {
  const choices = [{ index: 0, delta: { content }, finish_reason: null }];
  return `data: ${JSON.stringify({ id: 'chatcmpl-1', created: 7, choices })}\n\n`;
}

test('collects the text of all deltas, escapes and all', () => {
  const shown = new ShownText('chat', true);
  const parts = ['', 'He said "hi"\\', '\n\t', 'é日𝄞', '"content":"x"', ' end'];
  shown.add(Buffer.from(chunk(parts[0] ?? '') + chunk(parts[1] ?? '')));
  for (const part of parts.slice(2)) shown.add(Buffer.from(chunk(part)));
  assert.deepEqual(shown.read(), { text: parts.join(''), chunks: 5, chunkId: 'chatcmpl-1', created: 7 });
});

test('also reads JSON with blanks, and completions', () => {
  const chat = new ShownText('chat', true);
  chat.add(Buffer.from('data: {"id": "a", "created": 1, "choices": [{"delta": {"content": "x y"}}]}\n\n'));
  assert.equal(chat.read()?.text, 'x y');
  const completion = new ShownText('completions', true);
  completion.add(Buffer.from('data: {"id":"a","created":1,"choices":[{"text":"abc"}]}\n\n'));
  assert.equal(completion.read()?.text, 'abc');
});

test('tool calls, reasoning and excluded requests are not continued', () => {
  for (const delta of ['"tool_calls":[{"index":0}]', '"reasoning_content":"hm"', '"refusal":"no"']) {
    const shown = new ShownText('chat', true);
    shown.add(Buffer.from(`data: {"id":"a","created":1,"choices":[{"delta":{${delta}}}]}\n\n`));
    assert.equal(shown.continuable, false);
    assert.equal(shown.read(), null);
  }
  assert.equal(new ShownText('chat', false).continuable, false);
  assert.equal(new ShownText('embeddings', true).continuable, false);
});

test('a comment before the first event does not hide whose stream it is', () => {
  const shown = new ShownText('chat', true);
  shown.add(Buffer.from(`: ping\n\n${chunk('x')}`));
  assert.deepEqual(shown.read(), { text: 'x', chunks: 1, chunkId: 'chatcmpl-1', created: 7 });
});
