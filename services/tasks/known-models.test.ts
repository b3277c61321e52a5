import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownModels } from './known-models.ts';

test('models are listed anew for one that is not known, and now and then', async () => {
  const there = ['old'];
  const state = { lists: 0, ms: 0 };
  const list = async () => {
    state.lists++;
    return [...there];
  };
  const models = new KnownModels(list, { now: () => 0, monotonic: () => state.ms });
  for (let line = 0; line < 1000; line++) assert.ok(await models.has('old'));
  assert.equal(state.lists, 1);
  assert.equal(await models.has('new'), false);
  there.push('new');
  assert.ok(await models.has('new'), 'its worker came a moment ago');
  there.shift();
  assert.ok(await models.has('old'));
  state.ms += 5001;
  assert.equal(await models.has('old'), false);
});
