import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Heartbeat } from '@penstock/protocol';
import { fleetAt, heartbeatOf, modelOf } from './fleet.fixture.ts';
import type { Fleet } from './fleet.ts';
import type { ModelNamesOptions } from './model-names.ts';

function startFleet(modelNames?: ModelNamesOptions) {
  const time = { now: 0 };
  const forgotten: string[] = [];
  const fleet = fleetAt(time, {
    ...(modelNames === undefined ? {} : { names: modelNames }),
    onForgotten: (worker, shard) => forgotten.push(`${worker} of ${shard}`),
  });
  const gone: string[] = [];
  fleet.whenGone(worker => gone.push(worker));
  return {
    fleet,
    gone,
    forgotten,
    hear: (heartbeat: Partial<Heartbeat>) => fleet.hear(heartbeatOf(heartbeat)),
    /** Lets time pass as a live process does: with a sweep each second. */
    pass(seconds: number) {
      for (let i = 0; i < seconds; i++) {
        time.now += 1000;
        fleet.sweep();
      }
    },
  };
}

const names = (fleet: Fleet) => fleet.candidates('m', new Map()).map(({ worker }) => worker);

test('a worker whose old process leaves goes on with the new one', () => {
  const { fleet, gone, hear, pass } = startFleet();
  pass(4);
  hear({});
  hear({ incarnation: 'p2' });
  hear({ leaving: true });
  assert.deepEqual([gone, names(fleet), fleet.isLost('w-1', 'p2')], [[], ['w-1'], false]);
  assert.equal(fleet.isLost('w-1', 'p1'), true);
  hear({ incarnation: 'p2', leaving: true });
  assert.deepEqual([gone, names(fleet)], [['w-1'], []]);
});

test('a worker that leaves, drains or falls silent is reported once', () => {
  const { gone, hear, pass } = startFleet();
  hear({});
  hear({ pulling: false });
  hear({ pulling: false });
  hear({ leaving: true });
  assert.deepEqual(gone, ['w-1']);
  hear({ worker: 'w-2' });
  hear({ worker: 'w-2', leaving: true });
  hear({ worker: 'w-3' });
  pass(10);
  assert.deepEqual(gone, ['w-1', 'w-2', 'w-3']);
});

test('a worker that is started again under its name has lost what the process before it ran', () => {
  const { fleet, hear, pass } = startFleet();
  hear({});
  pass(2);
  hear({ incarnation: 'p2' });
  fleet.hearFrom('w-1', 'p3');
  pass(2);
  hear({ incarnation: 'p2' });
  assert.deepEqual(
    ['p1', 'p2', 'p3', ''].map(incarnation => fleet.isLost('w-1', incarnation)),
    [true, false, false, false],
  );
  pass(2);
  hear({ incarnation: 'p2' });
  assert.deepEqual(
    ['p2', 'p3'].map(incarnation => fleet.isLost('w-1', incarnation)),
    [false, true],
    'began, and was gone before its first heartbeat',
  );
});

test('a worker is forgotten after a minute of silence', () => {
  const { fleet, forgotten, hear, pass } = startFleet();
  hear({ shard: 3 });
  pass(59);
  assert.deepEqual(forgotten, []);
  pass(3);
  assert.deepEqual(forgotten, ['w-1 of 3']);
  assert.equal(fleet.workers, 0);
});

test('a suspect worker is no candidate until its next message', () => {
  const { fleet, hear } = startFleet();
  hear({});
  fleet.suspect('w-1');
  assert.deepEqual(names(fleet), []);
  fleet.hearQuote('w-1', { waitMs: 0, tokensPerSec: 1, cacheTokens: 0 });
  assert.deepEqual(names(fleet), ['w-1']);
  fleet.suspect('w-1');
  hear({});
  assert.deepEqual(names(fleet), ['w-1']);
});

test('the architecture a worker tells stays known when another one does not know it', () => {
  const { fleet, hear } = startFleet();
  assert.equal(fleet.defaultAffinity('m'), 'prefix');
  hear({ models: [modelOf('m', 'moe')] });
  hear({ worker: 'w-2' });
  assert.equal(fleet.defaultAffinity('m'), 'none');
  hear({ models: [modelOf('m', 'dense')] });
  assert.equal(fleet.defaultAffinity('m'), 'prefix');
});

test('owners are listed without going through all workers, and the summary is a second old at most', () => {
  const { fleet, hear, pass } = startFleet();
  hear({ worker: 'w-1', load: 0.2 });
  hear({ worker: 'w-2', load: 0.4, tokensPerSec: 20_000 });
  hear({ worker: 'w-3', pulling: false });
  const owners = fleet.owners('m', new Map(Object.entries({ 'w-2': 512, 'w-3': 1024, stranger: 512 })));
  assert.deepEqual(
    owners.map(({ worker, matchedTokens }) => [worker, matchedTokens]),
    [['w-2', 512]],
  );
  const { fastestTokensPerSec, meanLoad } = fleet.summary('m');
  assert.equal(fastestTokensPerSec, 20_000);
  assert.ok(Math.abs(meanLoad - 0.3) < 1e-9);
  hear({ worker: 'w-4', load: 0.9, tokensPerSec: 30_000 });
  assert.equal(fleet.summary('m').fastestTokensPerSec, 20_000);
  pass(1);
  assert.equal(fleet.summary('m').fastestTokensPerSec, 30_000);
  assert.ok(Math.abs(fleet.summary('m').meanLoad - 0.5) < 1e-9);
});

const RULES: ModelNamesOptions = {
  aliases: new Map([
    ['gpt', 'big'],
    ['mini', 'small'],
    ['ghost', 'nobody'],
  ]),
  fallbacks: new Map([
    ['big', ['gone', 'mini']],
    ['gpt', ['other']],
  ]),
};

test('a name stands for its model, and for one that stands in while that has no worker', async () => {
  const { fleet, hear, pass } = startFleet(RULES);
  const servedBy = (name: string) => fleet.model(name)?.name;
  hear({ worker: 'w-1', models: [modelOf('big')], pulling: false });
  hear({ worker: 'w-2', models: [modelOf('small'), modelOf('other')] });
  assert.deepEqual(
    ['big', 'gpt'].map(servedBy),
    ['big', 'big'],
    'another may serve it that was not heard yet',
  );
  assert.equal(fleet.unheardMs, 3000);
  pass(3);
  assert.equal(fleet.unheardMs, 0);
  hear({ worker: 'w-1', models: [modelOf('big')] });
  hear({ worker: 'w-2', models: [modelOf('small'), modelOf('other')] });
  assert.deepEqual(['big', 'gpt', 'mini', 'small', 'ghost'].map(servedBy), [
    'big',
    'big',
    'small',
    'small',
    undefined,
  ]);
  hear({ worker: 'w-1', models: [modelOf('big')], pulling: false });
  assert.deepEqual(
    ['big', 'gpt'].map(servedBy),
    ['small', 'other'],
    'an alias may have fallbacks of its own',
  );
  hear({ worker: 'w-2', models: [modelOf('small'), modelOf('other')], pulling: false });
  assert.deepEqual(['big', 'gpt'].map(servedBy), ['big', 'big'], 'requests wait for what they asked for');
  assert.deepEqual(
    await Promise.all(['big', 'gpt', 'mini', 'ghost', 'nobody'].map(name => fleet.isModel(name))),
    [true, true, true, false, false],
  );
});

test('the list has what is served now, with the aliases of it', () => {
  const { fleet, hear, pass } = startFleet(RULES);
  const listed = () => fleet.models().map(({ name, root }) => [name, root]);
  hear({ worker: 'w-1', models: [{ ...modelOf('big'), root: '/models/big' }] });
  hear({ worker: 'w-2', models: [modelOf('small')] });
  const all = [
    ['big', '/models/big'],
    ['gpt', 'big'],
    ['mini', 'small'],
    ['small', undefined],
  ];
  assert.deepEqual(listed(), all);
  pass(3);
  hear({ worker: 'w-2', models: [modelOf('small')] });
  pass(1);
  assert.deepEqual(listed(), [
    ['mini', 'small'],
    ['small', undefined],
  ]);
});

test('a model without workers is known as such once every worker must have been heard', () => {
  const { fleet, hear, pass } = startFleet();
  const unserved = () => fleet.unservedModels().map(({ name }) => name);
  hear({});
  hear({ worker: 'w-2', models: [modelOf('other')] });
  hear({ worker: 'w-2', models: [modelOf('other')], leaving: true });
  assert.deepEqual(unserved(), []);
  for (let s = 0; s < 4; s++) {
    pass(1);
    hear({});
  }
  assert.deepEqual(unserved(), ['other']);
  hear({ worker: 'w-2', models: [modelOf('other')], pulling: false });
  assert.deepEqual(unserved(), [], 'a worker that drains has its queues');
});
