import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_RULES, type PoolRules } from '@penstock/policy';
import type { ScalerEntry, ScalerState } from '@penstock/protocol';
import { GuardedDriver } from './drivers/guarded-driver.ts';
import type { PoolWorker } from './region/region-reader.ts';
import { Scaler } from './scaler.ts';

const POOL: PoolRules = {
  ...{ name: 'p', models: ['m'], slots: 10, speed: 1, pricePerHour: 1, startS: 60 },
  ...{ least: 1, most: 4, zeroAfterS: 600, schedule: [] },
};
const NONE = { waiting: 0, oldestS: 0 };

function region({ isActing = true, state = null as ScalerState | null } = {}) {
  const clock = { ms: 1000, now: () => clock.ms, monotonic: () => clock.ms };
  const world = {
    waiting: 0,
    ageS: 0,
    leads: true,
    isBroken: false,
    orders: [] as number[],
    log: [] as ScalerEntry[],
    told: null as ScalerState | null,
    drained: [] as string[],
    workers: [] as PoolWorker[],
  };
  const log = { info: () => {}, warn: () => {} } as never;
  const driver = new GuardedDriver({
    ...{ limitMs: 1000, clock, log, onTrouble: () => {} },
    driver: {
      async look() {
        if (world.isBroken) throw new Error('no cluster');
        return new Map([['p', world.orders.at(-1) ?? world.workers.length]]);
      },
      order: async ({ workers }) => void world.orders.push(workers),
      close: async () => {},
    },
  });
  const scaler = new Scaler({
    ...{ name: 's', driverName: 'test', pools: [POOL], rules: DEFAULT_RULES, driver, isActing, clock, log },
    isLeader: () => world.leads,
    region: {
      get ageS() {
        return world.ageS;
      },
      workers: () => new Map([['p', world.workers]]),
      lanes: () => ({
        interactive: { waiting: world.waiting, oldestS: world.waiting > 0 ? 4 : 0 },
        background: NONE,
        batch: NONE,
      }),
    },
    drain: name => void world.drained.push(name),
    records: {
      add: async entry => void world.log.unshift(entry),
      tell: async told => {
        world.told = told;
      },
      state: async () => state,
    },
    cost: { see: () => {} },
    onDecision: () => {},
  });
  const round = async () => {
    clock.ms += 5000;
    await scaler.round();
  };
  return { world, round };
}

const worker = (name: string): PoolWorker => ({
  ...{ name, process: `${name} 1`, isReady: true, isDrained: false },
  ...{ running: 5, interactive: 5, begun: 10, outputTokens: 0, cacheTokens: 0 },
});

test('a burst is answered with an order, once, and told with its reason', async () => {
  const { world, round } = region();
  world.workers = [worker('a')];
  await round();
  world.waiting = 20;
  await round();
  await round();
  assert.equal(world.orders.length, 1);
  assert.deepEqual([world.log[0]?.kind === 'up' || world.log[1]?.kind === 'up', world.told?.by], [true, 's']);
  assert.ok((world.told?.pools[0]?.starting ?? 0) > 0);
});

test('old figures, a driver that fails, and another that leads change nothing', async () => {
  for (const trouble of [{ ageS: 60 }, { isBroken: true }, { leads: false }]) {
    const { world, round } = region();
    Object.assign(world, { workers: [worker('a')], waiting: 500, ...trouble });
    for (let i = 0; i < 5; i++) await round();
    assert.deepEqual([world.orders, world.drained], [[], []], JSON.stringify(trouble));
  }
});

test('why a driver is not relied on is in the record', async () => {
  const { world, round } = region();
  Object.assign(world, { workers: [worker('a')], isBroken: true });
  await round();
  assert.deepEqual([world.log[0]?.reason, world.log[0]?.trouble], ['driver', 'no cluster']);
  assert.equal(world.told?.trouble, 'no cluster');
});

test('who only advises drains nobody and orders nothing', async () => {
  const { world, round } = region({ isActing: false });
  world.workers = ['a', 'b', 'c', 'd'].map(worker).map(each => ({ ...each, running: 0, interactive: 0 }));
  for (let i = 0; i < 200; i++) await round();
  assert.deepEqual([world.orders, world.drained], [[], []]);
  assert.ok(world.log.some(({ reason }) => reason === 'load_fell'));
  assert.ok(world.log.length < 60, `${world.log.length} entries`);
});

test('what was drained by the scaler before is ended by the next', async () => {
  const before = {
    ...{ at: 0, by: 'old', driver: 'test', groups: [] },
    pools: [
      {
        pool: 'p',
        ready: 1,
        starting: 0,
        overdue: 0,
        wanted: 1,
        draining: ['b'],
        startS: 60,
        pricePerHour: 1,
      },
    ],
  };
  const { world, round } = region({ state: before });
  world.workers = [
    worker('a'),
    { ...worker('b'), isReady: false, isDrained: true, running: 0, interactive: 0 },
  ];
  await round();
  assert.deepEqual(world.orders, [1]);
});
