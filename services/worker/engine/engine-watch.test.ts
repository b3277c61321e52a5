import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Architecture } from '@penstock/policy';
import { type Endpoint, type ModelInfo, USUAL_ENDPOINTS } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';

import { EngineWatch } from './engine-watch.ts';
import type { EngineGauges } from './gauges.ts';
import type { EngineModel } from './model-list.ts';

const MODEL: EngineModel = { name: 'Org/Chat', created: 1, ownedBy: 'org', architecture: 'moe' };

/** A watch whose probes the test lets come, one a second. */
async function startWatch(t: TestContext, architecture: Architecture | null = null, isReady = true) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const engine = {
    isHealthy: true,
    current: null as EngineGauges | null,
    list: (isReady ? [MODEL] : new Error('the engine has no model list')) as EngineModel[] | Error,
    probes: 0,
    healthy: async () => {
      engine.probes++;
      return engine.isHealthy;
    },
    ask: () => assert.fail('nothing failed'),
    gauges: async () => engine.current,
    has: [...USUAL_ENDPOINTS] as Endpoint[],
    endpoints: async () => engine.has,
    slotLimit: async () => 4,
    models: async () => {
      if (engine.list instanceof Error) throw engine.list;
      return engine.list;
    },
  };
  const heard: string[] = [];
  const opened: ModelInfo[] = [];
  const retained: string[][] = [];
  const queue = { isMade: isReady };
  const watch = new EngineWatch({
    ...{ engine, architecture, listEveryMs: 10_000 },
    ...{ serves: name => !name.startsWith('secret'), mostModels: 3 },
    open: async model => {
      if (!queue.isMade) throw new Error('no such stream');
      opened.push(model);
    },
    retain: async models => {
      retained.push(models.map(({ name }) => name));
    },
    onSlotLimit: limit => assert.equal(limit, 4),
    onOpened: () => void heard.push('opened'),
    onHealthChanged: () => void heard.push(watch.isWell ? 'well' : 'sick'),
    onProbed: () => void heard.push('probed'),
    log: { warn() {}, info() {} } as unknown as Logger,
  });
  t.after(() => watch.stop());
  watch.start();
  await turn();
  const probe = async () => {
    t.mock.timers.tick(1000);
    await turn();
  };
  return { watch, engine, queue, heard, opened, retained, probe };
}

test('the size of its KV memory is known while an engine does not answer, and forgotten when it may be another one', async t => {
  const { watch, engine, probe } = await startWatch(t);
  const size = { running: null, waiting: null, kvUse: null, kvCapacity: 16_000 };
  engine.current = { ...size, running: 2, waiting: 0, kvUse: 0.5 };
  await probe();
  assert.deepEqual(watch.gauges, engine.current);
  engine.current = null;
  await probe();
  assert.deepEqual(watch.gauges, size);
  engine.isHealthy = false;
  await probe();
  assert.deepEqual(watch.gauges, size);
  engine.isHealthy = true;
  await probe();
  assert.equal(watch.gauges, null);
});

test('the first probe comes at once and opens the models, the next ones only look', async t => {
  const { watch, heard, opened, probe } = await startWatch(t);
  assert.deepEqual(heard, ['opened', 'probed']);
  assert.deepEqual(opened, [{ ...MODEL, slug: opened[0]?.slug, endpoints: USUAL_ENDPOINTS }]);
  assert.deepEqual(watch.models, opened);
  await probe();
  assert.deepEqual(heard, ['opened', 'probed', 'probed']);
  assert.equal(opened.length, 1);
});

test("the operator's architecture counts before the engine's", async t => {
  const { watch } = await startWatch(t, 'dense');
  assert.equal(watch.models[0]?.architecture, 'dense');
});

test('models are opened as soon as the engine lists them and their queue is there', async t => {
  const { watch, engine, queue, heard, opened, probe } = await startWatch(t, null, false);
  assert.deepEqual([heard, watch.models], [['probed'], []]);
  engine.list = [MODEL, { ...MODEL, name: 'Other' }];
  await probe();
  assert.deepEqual([heard, watch.models], [['probed', 'probed'], []]);
  queue.isMade = true;
  await probe();
  assert.deepEqual(heard.slice(2), ['opened', 'probed']);
  assert.deepEqual(watch.models, opened);
  assert.equal(opened.length, 2);
});

test('two failed probes make an engine sick, two good ones well again', async t => {
  const { watch, engine, heard, probe } = await startWatch(t);
  heard.length = 0;
  engine.isHealthy = false;
  await probe();
  assert.ok(watch.isWell);
  await probe();
  engine.isHealthy = true;
  await probe();
  assert.ok(!watch.isWell);
  await probe();
  assert.deepEqual(heard, ['probed', 'sick', 'probed', 'probed', 'well', 'probed']);
});

test('an engine that is still loading is asked again what it has', async t => {
  const { watch, engine, queue, probe } = await startWatch(t, null, false);
  queue.isMade = true;
  engine.isHealthy = false;
  engine.list = [MODEL];
  await probe();
  assert.deepEqual(watch.models[0]?.endpoints, USUAL_ENDPOINTS);
  engine.has = ['chat', 'rerank'];
  engine.isHealthy = true;
  await probe();
  assert.deepEqual(watch.models[0]?.endpoints, ['chat', 'rerank']);
});

test('an engine that comes back is asked again what it has', async t => {
  const { watch, engine, probe } = await startWatch(t);
  engine.isHealthy = false;
  await probe();
  await probe();
  engine.has = ['chat', 'rerank'];
  engine.isHealthy = true;
  await probe();
  assert.ok(!watch.isWell);
  assert.deepEqual(watch.models[0]?.endpoints, ['chat', 'rerank']);
});

test('gauges are those of the last probe', async t => {
  const { watch, engine, probe } = await startWatch(t);
  const before = watch.gauges;
  engine.current = { kvUse: 0.5, kvCapacity: 1000 } as EngineGauges;
  await probe();
  assert.deepEqual([before, watch.gauges?.kvUse], [null, 0.5]);
});

test('a watch that is stopped probes no more, also when a probe is under way', async t => {
  const { watch, engine, probe } = await startWatch(t);
  const answer = Promise.withResolvers<boolean>();
  engine.healthy = () => {
    engine.probes++;
    return answer.promise;
  };
  await probe();
  watch.stop();
  answer.resolve(true);
  await turn();
  const { probes } = engine;
  await probe();
  await probe();
  assert.equal(engine.probes, probes);
});

const OTHER = { ...MODEL, name: 'Adapter', parent: MODEL.name };

test('models are listed again every ten seconds: adapters come and go without disturbing the others', async t => {
  const { watch, engine, heard, opened, retained, probe } = await startWatch(t);
  const names = () => watch.models.map(({ name }) => name);
  engine.list = [{ ...MODEL, created: 99 }, OTHER];
  for (let i = 0; i < 9; i++) await probe();
  assert.deepEqual(names(), ['Org/Chat']);
  await probe();
  assert.deepEqual(names(), ['Org/Chat', 'Adapter']);
  assert.deepEqual(
    opened.map(({ name, parent }) => [name, parent]),
    [
      ['Org/Chat', undefined],
      ['Adapter', 'Org/Chat'],
    ],
    'the first model is not opened again',
  );
  engine.list = [MODEL];
  for (let i = 0; i < 10; i++) await probe();
  assert.deepEqual(names(), ['Org/Chat']);
  assert.deepEqual(retained, [['Org/Chat'], ['Org/Chat', 'Adapter'], ['Org/Chat']]);
  assert.equal(heard.filter(each => each === 'opened').length, 3);
});

test('an engine that lacks a model that it was asked for is asked at once what it has', async t => {
  const { watch, engine, probe } = await startWatch(t);
  engine.list = [OTHER];
  await probe();
  assert.equal(watch.models[0]?.name, 'Org/Chat');
  assert.ok(watch.missedModel('Org/Chat'));
  await probe();
  assert.equal(watch.models[0]?.name, 'Adapter');
});

test('an engine that lists nothing for a moment, or does not answer, keeps its models; one that goes on so does not', async t => {
  const { watch, engine, retained, probe } = await startWatch(t);
  engine.list = [];
  watch.missedModel('Org/Chat');
  await probe();
  engine.list = new Error('no answer');
  await probe();
  assert.equal(watch.models.length, 1);
  engine.list = [];
  await probe();
  assert.deepEqual([watch.models, retained.at(-1)], [[], []]);
});

test('a model that the engine lists but does not have is no reason to try again more than once', async t => {
  const { watch, engine, probe } = await startWatch(t);
  assert.deepEqual([watch.missedModel('Org/Chat'), watch.missedModel('Org/Chat')], [true, true]);
  await probe();
  assert.equal(watch.missedModel('Org/Chat'), false, 'it was listed again');
  engine.list = [OTHER];
  await probe();
  engine.list = [OTHER, MODEL];
  watch.missedModel(OTHER.name);
  await probe();
  assert.equal(watch.models.length, 2);
  assert.equal(watch.missedModel('Org/Chat'), true, 'it was gone and is loaded again');
});

test('a list without an end is cut, and models that are not to be served are left out', async t => {
  const { watch, engine, probe } = await startWatch(t);
  engine.list = [
    { ...MODEL, name: 'secret-one' },
    MODEL,
    MODEL,
    ...Array.from({ length: 900 }, (_, i) => ({ ...MODEL, name: `m-${i}` })),
  ];
  watch.missedModel('Org/Chat');
  await probe();
  assert.deepEqual(
    watch.models.map(({ name }) => name),
    ['Org/Chat', 'm-0', 'm-1'],
  );
});
