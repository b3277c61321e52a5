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
