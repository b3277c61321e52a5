import assert from 'node:assert/strict';
import { test } from 'node:test';
import { validateCompletion } from './completion-request.ts';
import { validateEmbedding } from './embedding-request.ts';
import { MAX_INPUTS, promptInput, promptInputSchema } from './prompt-input.ts';
import { estimatePromptTokens } from './request-summary.ts';

const ids = (count: number) => Array.from({ length: count }, (_, i) => 1000 + i);
const tokensOf = ({ promptBytes }: { promptBytes: number }) => estimatePromptTokens(promptBytes);

test('the check by hand and the schema that describes it give the same verdict', () => {
  const verdicts = new Set<boolean>();
  for (const value of [
    ...['', 'x', 7, null, true, {}, [], [''], ['a', 'b'], ['a', 1], [1, 'a'], [1, 2], [1.5], [-1], [[]]],
    ...[[[1], [2, 3]], [[1], 'a'], [[1], []], [[1], [1.5]], [1, [2]], [null], [[['a']]], [[1, null]]],
    ...[Array(MAX_INPUTS).fill('a'), Array(MAX_INPUTS + 1).fill('a'), Array(MAX_INPUTS + 1).fill([1])],
    ids(MAX_INPUTS + 1),
  ]) {
    const described = promptInputSchema.safeParse(value).success;
    assert.equal(promptInput.safeParse(value).success, described, JSON.stringify(value)?.slice(0, 60));
    verdicts.add(described);
  }
  assert.equal(verdicts.size, 2);
});

test('each token id counts as one token, in flat and in nested lists', () => {
  for (const [input, tokens] of [
    [ids(3000), 3000],
    [[ids(3000)], 3000],
    [Array(500).fill(ids(120)), 60_000],
    [Array(2048).fill(ids(146)), 299_008],
    [['four', 'letters!'], 3],
  ] as const) {
    assert.equal(tokensOf(validateEmbedding({ model: 'm', input })), tokens);
    assert.equal(tokensOf(validateCompletion({ model: 'm', prompt: input })), tokens);
  }
});

test('what stands in for a prompt or an input needs none', () => {
  assert.equal(tokensOf(validateCompletion({ model: 'm', prompt: null, prompt_embeds: 'AAAA' })), 1);
  const messages = [{ role: 'user', content: 'x'.repeat(400) }];
  assert.equal(tokensOf(validateEmbedding({ model: 'm', messages })), 100);
  assert.throws(() => validateCompletion({ model: 'm' }), { param: 'prompt', message: /Missing required/ });
  assert.throws(() => validateEmbedding({ model: 'm' }), { param: 'input', message: /Missing required/ });
  assert.throws(() => validateEmbedding({ model: 'm', input: '' }), { param: 'input' });
});

test('scoring asks for no output, and no limit is a limit that is not there', () => {
  const scoring = { model: 'm', prompt: 'x', max_tokens: 0, echo: true, logprobs: 10 };
  assert.equal(validateCompletion(scoring).maxTokens, 0);
  assert.equal(validateCompletion({ model: 'm', prompt: 'x', max_tokens: -1 }).maxTokens, null);
  assert.throws(() => validateCompletion({ model: 'm', prompt: 'x', max_tokens: -2 }), {
    param: 'max_tokens',
  });
});
