import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leastWarm, PoolKeeper } from './pool-keeper.ts';
import type { PoolWorker } from './region/region-reader.ts';

const worker = (name: string, more: Partial<PoolWorker> = {}): PoolWorker => ({
  ...{ name, process: `${name} 1`, isReady: true, isDrained: false },
  ...{ running: 0, interactive: 0, begun: 0, outputTokens: 0, cacheTokens: 0 },
  ...more,
});

function keep() {
  const told: string[] = [];
  const clock = { ms: 0, now: () => clock.ms, monotonic: () => clock.ms };
  const keeper = new PoolKeeper({
    ...{ pool: 'p', startS: 60, clock },
    drain: (name, drain) => void told.push(`${drain ? 'drain' : 'resume'} ${name}`),
  });
  return { keeper, told, clock };
}

test('more workers are ordered once, and counted until they are there', () => {
  const { keeper } = keep();
  assert.deepEqual(keeper.see(1, [worker('a')]), { ready: 1, starting: 0, overdue: 0, running: 0 });
  assert.deepEqual(keeper.follow(3), { workers: 3, gone: [] });
  assert.equal(keeper.see(3, [worker('a')]).starting, 2);
  assert.equal(keeper.follow(3), null);
});

test('who goes is drained first, the least warm, and ends once it runs nothing', () => {
  const { keeper, told } = keep();
  const [a, b, c] = [
    worker('a', { running: 2 }),
    worker('b', { running: 1, cacheTokens: 9 }),
    worker('c', { running: 1 }),
  ];
  keeper.see(3, [a, b, c]);
  assert.equal(keeper.follow(2), null);
  assert.deepEqual([told, keeper.draining], [['drain c'], ['c']]);
  // It has heard, and still runs something.
  const deaf = worker('c', { isReady: false, isDrained: true, running: 1 });
  assert.deepEqual(keeper.see(3, [a, b, deaf]), { ready: 2, starting: 0, overdue: 0, running: 0 });
  assert.equal(keeper.follow(2), null);
  keeper.see(3, [a, b, { ...deaf, running: 0 }]);
  assert.deepEqual(keeper.follow(2), { workers: 2, gone: ['c'] });
  keeper.see(2, [a, b]);
  assert.equal(keeper.follow(2), null);
  assert.deepEqual(keeper.draining, []);
});

test('what drains and is needed again takes work again, before anything is started', () => {
  const { keeper, told } = keep();
  keeper.see(2, [worker('a'), worker('b')]);
  keeper.follow(1);
  keeper.see(2, [worker('a'), worker('b', { isReady: false, isDrained: true, running: 3 })]);
  assert.deepEqual(keeper.follow(3), { workers: 3, gone: [] });
  assert.deepEqual(told, ['drain b', 'resume b']);
});

test('what has not started yet goes before what runs', () => {
  const { keeper, told } = keep();
  keeper.see(3, [worker('a')]);
  assert.deepEqual(keeper.follow(1), { workers: 1, gone: [] });
  assert.deepEqual(told, []);
});

test('an order to drain that got lost is told again', () => {
  const { keeper, told, clock } = keep();
  const both = [worker('a'), worker('b')];
  keeper.see(2, both);
  keeper.follow(1);
  clock.ms = 6000;
  keeper.see(2, both);
  keeper.follow(1);
  assert.deepEqual(told, ['drain b', 'drain b']);
});

test('workers that an operator drained are neither counted on nor ended', () => {
  const { keeper } = keep();
  const resting = worker('b', { isReady: false, isDrained: true });
  assert.deepEqual(keeper.see(2, [worker('a'), resting]), { ready: 1, starting: 0, overdue: 0, running: 0 });
  assert.equal(keeper.follow(1), null);
  assert.deepEqual(keeper.follow(2), { workers: 3, gone: [] });
});

test('a scaler that takes over ends what the one before drained', () => {
  const { keeper } = keep();
  keeper.adopt(['b', 'left']);
  keeper.see(2, [worker('a'), worker('b', { isReady: false, isDrained: true })]);
  assert.deepEqual(keeper.follow(1), { workers: 1, gone: ['b'] });
});

test('starts are timed, and workers that do not come are overdue', () => {
  const { keeper, clock } = keep();
  keeper.see(1, [worker('a')]);
  clock.ms = 1000;
  keeper.see(3, [worker('a')]);
  clock.ms = 31_000;
  assert.equal(keeper.see(3, [worker('a'), worker('b')]).starting, 1);
  assert.equal(keeper.times.startS, 30);
  clock.ms = 92_000;
  assert.equal(keeper.see(3, [worker('a'), worker('b')]).overdue, 1);
  // A worker that was started again under its name is another process, and was not ordered.
  assert.equal(keeper.see(2, [worker('a', { process: 'a 2' }), worker('b')]).overdue, 0);
});

test('the least warm runs least, then has least in its cache', () => {
  const names = leastWarm([
    worker('busy', { running: 5 }),
    worker('warm', { cacheTokens: 900 }),
    worker('cold', { cacheTokens: 10 }),
  ]).map(({ name }) => name);
  assert.deepEqual(names, ['cold', 'warm', 'busy']);
});
