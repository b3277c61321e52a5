import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIRST_ANSWER_TOKENS, interferenceTokens, learnAnswer } from './decode-interference.ts';

test('a prompt weighs more on short answers, and beyond some length no more', () => {
  assert.ok(interferenceTokens(1000, 30) > 5 * interferenceTokens(1000, 400));
  assert.ok(interferenceTokens(4000, 400) > interferenceTokens(1000, 400));
  assert.equal(interferenceTokens(24_000, 400), interferenceTokens(8000, 400));
  assert.ok(interferenceTokens(1000, 0) < 5000, 'answers of no length do not make every quote the highest');
});

test('the mean answer is learned within some tens of answers and then follows slowly', () => {
  let mean = FIRST_ANSWER_TOKENS;
  for (let seen = 0; seen < 40; seen++) mean = learnAnswer(mean, 30, seen);
  assert.ok(mean < 70, `${mean}`);
  const after = learnAnswer(mean, 400, 1000);
  assert.ok(after > mean && after < mean + 10);
});
