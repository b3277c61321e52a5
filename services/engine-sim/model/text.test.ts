import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectedTokens, identifyPrompt, promptHash, wordAt, wordsIn } from './text.ts';

const messages = [{ role: 'user', content: 'Hello' }];

test('the same prompt gets the same answer, another one another', () => {
  assert.deepEqual(
    expectedTokens(promptHash({ messages }), 20),
    expectedTokens(promptHash({ messages }), 20),
  );
  const other = promptHash({ messages: [{ role: 'user', content: 'Hello!' }] });
  assert.notDeepEqual(expectedTokens(promptHash({ messages }), 20), expectedTokens(other, 20));
});

test('a partial answer is a continuation of the same prompt', () => {
  const hash = promptHash({ messages });
  const partial = { role: 'assistant', content: expectedTokens(hash, 5).join('') };
  const identity = identifyPrompt({ messages: [...messages, partial], continue_final_message: true });
  assert.deepEqual(identity, { hash, answered: 5, mismatch: false });
});

test('text that is not the beginning of the answer is recognized', () => {
  const wrong = { role: 'assistant', content: ' nonsense' };
  const identity = identifyPrompt({ messages: [...messages, wrong], continue_final_message: true });
  assert.equal(identity.mismatch, true);
  assert.equal(identity.answered, 0);
});

test('what it says has a token a word', () => {
  const words = expectedTokens('00ff', 5);
  assert.deepEqual(wordsIn(words.join(''))?.map(wordAt), words);
  assert.deepEqual([wordsIn(' what the user says'), wordsIn(''), wordAt(9999)], [null, null, null]);
});
