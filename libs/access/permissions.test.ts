import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayAsk, mayHaveTier, mayUse, UNRESTRICTED, useOf } from './permissions.ts';

const targetOf = (name: string) => (name === 'gpt-4o' ? 'llama-70b' : name);
const asks = (
  scopes: string[] | null,
  mode: 'allow_list' | 'deny_list',
  names: string[] | null,
  model: string,
) => mayAsk({ scopes, models: names === null ? null : { mode, names } }, model, targetOf);

test('a model is allowed by its name, by an alias of it or by a beginning, in the project and in the key', () => {
  assert.equal(mayAsk(UNRESTRICTED, 'any', targetOf), true);
  assert.equal(asks(null, 'allow_list', ['gpt-4o'], 'llama-70b'), true);
  assert.equal(asks(null, 'allow_list', ['llama-*'], 'llama-70b'), true);
  assert.equal(asks(null, 'allow_list', ['llama'], 'llama-70b'), false);
  assert.equal(asks(null, 'allow_list', [], 'llama-70b'), false);
  assert.equal(asks(null, 'deny_list', ['gpt-4o'], 'llama-70b'), false, 'whatever it is called');
  assert.equal(asks(null, 'deny_list', ['gpt-4o'], 'qwen'), true);
  assert.equal(asks(['model:qwen'], 'allow_list', ['qwen', 'llama-70b'], 'llama-70b'), false);
  assert.equal(
    asks(['model:qwen'], 'allow_list', ['llama-70b'], 'qwen'),
    false,
    'no key may more than its project',
  );
  assert.equal(asks(['chat'], 'allow_list', null, 'qwen'), true, 'without scopes of models all are allowed');
});

test('a key may use what it names; what it names nothing of, it may use all of', () => {
  assert.equal(mayUse({ scopes: null }, 'files'), true);
  assert.equal(mayUse({ scopes: ['chat', 'model:m'] }, 'files'), false);
  assert.equal(mayUse({ scopes: ['chat', 'model:m'] }, 'chat'), true);
  assert.equal(mayUse({ scopes: ['model:m'] }, 'files'), true);
});

test('a tier above the highest one is not had', () => {
  const permissions = { scopes: ['tier:default'] };
  assert.deepEqual(
    (['flex', 'default', 'priority'] as const).map(tier => mayHaveTier(permissions, tier)),
    [true, true, false],
  );
  assert.equal(mayHaveTier({ scopes: ['chat'] }, 'priority'), true);
});

test('a route is the use of what its path begins with', () => {
  assert.equal(useOf('/v1/chat/completions'), 'chat');
  assert.equal(useOf('/v1/chat/completions/:id'), 'chat');
  assert.equal(useOf('/v1/messages/count_tokens'), 'messages');
  assert.equal(useOf('/v1/files/:id/content'), 'files');
  assert.equal(useOf('/v1/responses/input_tokens'), 'responses');
  assert.equal(useOf('/v1/completions'), 'completions');
  assert.equal(useOf('/v1/models'), null);
});
