import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ModelInfo } from '@penstock/protocol';
import { modelOf } from './fleet.fixture.ts';
import { ModelCatalogue, WITHDRAWN_AFTER_MS } from './model-catalogue.ts';

test('the registry is read again for an unknown model, and at intervals', async () => {
  const there = ['old'];
  const state = { lists: 0, ms: 0 };
  const list = async () => {
    state.lists++;
    return there.map(name => modelOf(name));
  };
  const models = new ModelCatalogue({
    listRegistered: list,
    register() {},
    clock: { now: () => 0, monotonic: () => state.ms },
  });
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
  const models = new ModelCatalogue({
    listRegistered: () => Promise.reject(new Error('asked')),
    register() {},
    clock: { now: () => 0, monotonic: () => 0 },
  });
  models.announce(modelOf('m'));
  assert.ok(await models.isKnown('m'));
  await assert.rejects(models.isKnown('other'), /asked/);
});

test('the registry adds models, by name, and does not overrule what workers announced', async () => {
  const clock = { now: () => 0, monotonic: () => 0 };
  const models = new ModelCatalogue({
    listRegistered: async () => [modelOf('m', 'dense'), modelOf('a', 'moe')],
    register() {},
    clock,
  });
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

function startCatalogue(registered: ModelInfo[] = []) {
  const state = { ms: 0, served: new Set<string>(), told: [] as [string, boolean][] };
  const models = new ModelCatalogue({
    listRegistered: async () => registered,
    register: ({ name, withdrawnAt }) => state.told.push([name, withdrawnAt !== undefined]),
    clock: { now: () => 1000 + state.ms, monotonic: () => state.ms },
  });
  const pass = (ms: number) => {
    state.ms += ms;
    models.sweep(() => state.served);
  };
  return { models, state, pass };
}

test('an adapter that was unloaded everywhere is withdrawn after a moment, and comes back when it is announced', () => {
  const { models, state, pass } = startCatalogue();
  models.announce(modelOf('m'));
  models.announce(modelOf('lora'));
  models.drop(modelOf('lora'));
  pass(WITHDRAWN_AFTER_MS - 1);
  assert.ok(models.get('lora'));
  pass(1);
  assert.deepEqual(
    [models.get('lora'), models.isWithdrawn('lora'), models.isWithdrawn('m')],
    [undefined, true, false],
  );
  assert.deepEqual(state.told, [['lora', true]]);
  models.announce(modelOf('lora'));
  assert.deepEqual([models.get('lora')?.name, models.isWithdrawn('lora')], ['lora', false]);
  assert.deepEqual(state.told, [
    ['lora', true],
    ['lora', false],
  ]);
});

test('a model that another worker serves, or the same one again, is not withdrawn', () => {
  const { models, state, pass } = startCatalogue();
  models.announce(modelOf('a'));
  models.drop(modelOf('a'));
  state.served.add('a');
  pass(60_000);
  assert.ok(models.get('a'));
  models.drop(modelOf('a'));
  models.announce(modelOf('a'));
  state.served.clear();
  pass(60_000);
  assert.ok(models.get('a'), 'its worker may be away for a while');
  assert.deepEqual(state.told, []);
});

test('what the registry says of a withdrawn model counts for a process that comes later', async () => {
  const registered: ModelInfo[] = [{ ...modelOf('lora'), withdrawnAt: 1 }, modelOf('m')];
  const { models } = startCatalogue(registered);
  await models.readRegistry();
  assert.deepEqual([models.all().map(({ name }) => name), models.isWithdrawn('lora')], [['m'], true]);
  assert.equal(await models.isKnown('lora'), false);
  registered[0] = modelOf('lora');
  assert.equal(await models.isKnown('lora'), true, 'loaded again elsewhere');
  assert.deepEqual([models.isWithdrawn('lora'), models.get('lora')?.name], [false, 'lora']);
});
