import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countTokens, NO_TOKENS, readPromptUsage } from '../openai/usage.ts';
import { AnswerProgress } from './answer-progress.ts';
import { answerContentType, clientContentType } from './content-type.ts';
import { readUsage } from './token-count.ts';

const ODD = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 1e308, 1e10, '5', null, [], {}, true];

test('a count that is none is as if it were not said', () => {
  for (const odd of ODD) {
    const details = { cached_tokens: odd, reasoning_tokens: odd };
    const usage = {
      prompt_tokens: odd,
      completion_tokens: odd,
      total_tokens: odd,
      prompt_tokens_details: details,
    };
    assert.deepEqual(readUsage(usage), {}, String(odd));
    assert.deepEqual(countTokens(usage as never), NO_TOKENS);
    const progress = new AnswerProgress();
    progress.note({ usage } as never);
    assert.equal(progress.usage?.completion_tokens, undefined);
    progress.note({ type: 'message_delta', usage: { output_tokens: odd } } as never);
    assert.equal(progress.usage?.completion_tokens, undefined);
  }
  for (const none of [null, undefined, 7, 'x', []]) assert.equal(readUsage(none), null);
  const good = { prompt_tokens: 7, completion_tokens: 0, prompt_tokens_details: { cached_tokens: 3 } };
  assert.deepEqual(readUsage({ ...good, other: 1 }), good);
});

test('of a number that is too long not its beginning is read', () => {
  const said = (number: string) => readPromptUsage(Buffer.from(`{"usage":{"prompt_tokens": ${number}}}`));
  for (const odd of ['9'.repeat(400), '1e9', '7.5', '-5', '1000000000']) assert.equal(said(odd), null, odd);
  assert.equal(said('7')?.promptTokens, 7);
});

test('no engine has its answer taken for a page', () => {
  for (const html of [
    'text/html',
    'image/svg+xml',
    'application/xhtml+xml',
    'text/javascript',
    '',
    'audio/mpeg\r\nx: y',
    'text/plain; charset=<script>',
  ])
    assert.equal(clientContentType(html), 'application/octet-stream', html);
  for (const known of [
    'application/json',
    'application/json; charset=utf-8',
    'audio/pcm; rate=24000',
    'text/vtt',
    'image/png',
  ])
    assert.equal(clientContentType(known), known);
  assert.equal(answerContentType('chat', 'text/html'), 'application/json');
  assert.equal(
    answerContentType('chat', 'application/json; charset=utf-8'),
    'application/json; charset=utf-8',
  );
  assert.equal(answerContentType('speech', 'text/html'), 'application/octet-stream');
});
