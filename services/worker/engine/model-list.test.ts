import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readModel } from './model-list.ts';

test('the architecture is what the model list says, else what the name tells that the model was loaded from', () => {
  const architecture = (model: object) => readModel(model)[0]?.architecture;
  assert.equal(architecture({ id: 'm', architecture: 'moe' }), 'moe');
  assert.equal(architecture({ id: 'Mixtral-8x7B', architecture: 'dense' }), 'dense');
  assert.equal(architecture({ id: 'chat', root: 'Qwen/Qwen3-30B-A3B' }), 'moe');
  assert.equal(architecture({ id: 'chat', root: '/models/snapshot' }), null);
  assert.equal(architecture({ id: 'm', architecture: 7 }), null);
  for (const bad of [null, 'm', {}, { id: 7 }, { id: 'x'.repeat(300) }]) assert.deepEqual(readModel(bad), []);
});

test('what the engine tells beyond names is kept, in whatever form it tells', () => {
  const told = (model: object) => {
    const { maxModelLen, root, parent } = readModel({ id: 'm', ...model })[0] ?? {};
    return [maxModelLen, root, parent];
  };
  assert.deepEqual(told({ max_model_len: 32768, root: '/models/m', parent: null }), [
    32768,
    '/models/m',
    undefined,
  ]);
  assert.deepEqual(told({ parent: 'base' }), [undefined, undefined, 'base']);
  assert.deepEqual(told({ meta: { n_ctx_train: 4096 } }), [4096, undefined, undefined]);
  assert.deepEqual(told({ max_model_len: 'long', root: 7, parent: {}, meta: null }), [
    undefined,
    undefined,
    undefined,
  ]);
});
