import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCompletionTokens, readPromptUsage } from './usage.ts';

const read = (text: string) => readPromptUsage(Buffer.from(text));

test('usage is read where an answer ends with it', () => {
  const usage =
    '"usage":{"prompt_tokens":120,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":64}}';
  assert.deepEqual(read(`{"choices":[],${usage}}`), { promptTokens: 120, cachedTokens: 64 });
  assert.deepEqual(read(`data: {"choices":[],${usage}}\n\ndata: [DONE]\n\n`), {
    promptTokens: 120,
    cachedTokens: 64,
  });
});

test('an engine that reports no cached tokens differs from one that reports zero', () => {
  assert.deepEqual(read('{"usage":{"prompt_tokens": 120}}'), { promptTokens: 120, cachedTokens: null });
  const none = '{"usage":{"prompt_tokens":120,"prompt_tokens_details":{"cached_tokens":0}}}';
  assert.deepEqual(read(none), { promptTokens: 120, cachedTokens: 0 });
  assert.equal(read('data: [DONE]\n\n'), null);
  assert.equal(read(''), null);
});

test('text of the answer that looks like usage is not read as usage', () => {
  const content = JSON.stringify({ content: '{"prompt_tokens":5,"cached_tokens":5}' });
  assert.equal(read(`{"choices":[${content}]}`), null);
  assert.equal(readCompletionTokens(Buffer.from(JSON.stringify({ content: '"completion_tokens":5' }))), null);
});

test('output tokens are read where an answer ends with them', () => {
  const answer = `{"content":"${'x'.repeat(5000)}","usage":{"prompt_tokens":1,"completion_tokens": 42}}`;
  assert.equal(readCompletionTokens(Buffer.from(answer)), 42);
  assert.equal(
    readCompletionTokens(Buffer.from(`{"usage":{"completion_tokens":42}}${' '.repeat(2000)}`)),
    null,
  );
});
