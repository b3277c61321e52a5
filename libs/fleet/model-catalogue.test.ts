import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelOf } from './heartbeat.fixture.ts';
import { ModelCatalogue } from './model-catalogue.ts';

test('the registry is read again for an unknown model, and at intervals', async () => {
  const there = ['old'];
  const state = { lists: 0, ms: 0 };
  const list = async () => {
    state.lists++;
    return there.map(name => modelOf(name));
  };
  const models = new ModelCatalogue(list, { now: () => 0, monotonic: () => state.ms });
  for (let line = 0; line < 1000; line++) assert.ok(await models.isKnown('old'));
  assert.equal(state.lists, 1);
  assert.equal(await models.isKnown('new'), false);
  there.push('new');
  assert.ok(await models.isKnown('new'), 'its worker came a moment ago');
  there.shift();
  assert.ok(await models.isKnown('old'));
  state.ms += 5001;
  assert.equal(await models.isKnown('old'), false);
});

test('a model that a worker announced is known without asking the registry', async () => {
  const models = new ModelCatalogue(() => Promise.reject(new Error('asked')), {
    now: () => 0,
    monotonic: () => 0,
  });
  models.announce(modelOf('m'));
  assert.ok(await models.isKnown('m'));
  await assert.rejects(models.isKnown('other'), /asked/);
});

test('the registry adds models, by name, and does not overrule what workers announced', async () => {
  const clock = { now: () => 0, monotonic: () => 0 };
  const models = new ModelCatalogue(async () => [modelOf('m', 'dense'), modelOf('a', 'moe')], clock);
  models.announce(modelOf('m', 'moe'));
  await models.readRegistry();
  assert.deepEqual(
    models.all().map(({ name, architecture }) => [name, architecture]),
    [
      ['a', 'moe'],
      ['m', 'moe'],
    ],
  );
  assert.equal(models.get('a')?.slug, 'a');
  assert.deepEqual([models.defaultAffinity('a'), models.defaultAffinity('unheard')], ['none', 'prefix']);
});
