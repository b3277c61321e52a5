import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyProfile } from '../prompt/prompt-profile.ts';
import { validateCompletion } from './completion-request.ts';
import { validateEmbedding } from './embedding-request.ts';
import { MAX_INPUTS, promptInput, promptInputSchema } from './prompt-input.ts';

const ids = (count: number) => Array.from({ length: count }, (_, i) => 1000 + i);

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

test('token ids are counted one by one, in flat and in nested lists', () => {
  for (const [input, counted] of [
    [ids(3000), 3000],
    [[ids(3000)], 3000],
    [Array(500).fill(ids(120)), 60_000],
    [Array(2048).fill(ids(146)), 299_008],
  ] as const) {
    assert.deepEqual(validateEmbedding({ model: 'm', input }).prompt, { ...emptyProfile(), ids: counted });
    assert.deepEqual(validateCompletion({ model: 'm', prompt: input }).prompt, {
      ...emptyProfile(),
      ids: counted,
    });
  }
});

test('what stands in for a prompt or an input needs none', () => {
  const embeds = validateCompletion({ model: 'm', prompt: null, prompt_embeds: 'A'.repeat(2048) });
  assert.deepEqual(embeds.prompt, { ...emptyProfile(), embeddings: 2 });
  const messages = [{ role: 'user', content: 'four letters' }];
  assert.deepEqual(validateEmbedding({ model: 'm', messages }).prompt, {
    ...emptyProfile(),
    ...{ messages: 1, letters: 11 },
  });
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
