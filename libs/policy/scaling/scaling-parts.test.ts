import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DailyProfile } from './daily-profile.ts';
import { workersByUse } from './gpu-time.ts';
import { LearnedMargin } from './learned-margin.ts';
import { RollingMost } from './rolling-most.ts';
import { groupPools, type PoolRules } from './rules.ts';
import { boundsAt, holdsAt, type ScheduleWindow } from './schedule.ts';
import { draining, staffing } from './staffing.ts';
import { StartTimes } from './start-times.ts';

const pool = (name: string, models: readonly string[]): PoolRules => ({
  ...{ name, models, slots: 10, speed: 1, pricePerHour: 1, startS: 60 },
  ...{ least: 0, most: 10, zeroAfterS: 600, schedule: [] },
});

test('pools of the same models are one group; pools that share some only are refused by name', () => {
  const groups = groupPools([pool('a', ['x', 'y']), pool('b', ['z']), pool('c', ['y', 'x'])]);
  assert.deepEqual(
    groups.map(group => group.map(({ name }) => name)),
    [['a', 'c'], ['b']],
  );
  assert.throws(
    () => groupPools([pool('a', ['x', 'y']), pool('b', ['y'])]),
    /pool b shares the model y with pool a/,
  );
});

test('a time of the schedule may last beyond midnight, and belongs to the day on which it begins', () => {
  const night: ScheduleWindow = { days: [5], from: 22 * 60, to: 6 * 60, zone: 'UTC' };
  const at = (iso: string) => holdsAt(night, Date.parse(iso));
  assert.deepEqual(
    [
      at('2026-11-27T21:59Z'),
      at('2026-11-27T22:00Z'),
      at('2026-11-28T05:59Z'),
      at('2026-11-28T06:00Z'),
      at('2026-11-28T22:30Z'),
    ],
    [false, true, true, false, false],
  );
});

test('a schedule goes by its time zone, across the change of the clocks', () => {
  const work: ScheduleWindow = { days: [1], from: 9 * 60, to: 17 * 60, zone: 'Europe/Berlin' };
  assert.equal(holdsAt(work, Date.parse('2026-07-06T07:00Z')), true);
  assert.equal(holdsAt(work, Date.parse('2026-12-07T07:30Z')), false);
  assert.equal(holdsAt(work, Date.parse('2026-12-07T08:00Z')), true);
});

test('bounds are raised a start ahead of their time, and lowered in it only', () => {
  const schedule = [{ days: [], from: 60, to: 120, zone: 'UTC', least: 5, most: 7 }];
  const bounds = (minute: number) => boundsAt({ least: 1, most: 20, schedule }, 60_000 * minute, 300);
  assert.deepEqual(bounds(54), { least: 1, most: 20 });
  assert.deepEqual(bounds(55), { least: 5, most: 20 });
  assert.deepEqual(bounds(60), { least: 5, most: 7 });
  assert.deepEqual(bounds(120), { least: 1, most: 20 });
});

test('headroom is relatively smaller for a large load', () => {
  assert.equal(staffing(0, 1.5), 0);
  assert.equal(staffing(4, 1.5), 7);
  assert.ok(Math.abs(staffing(10_000, 1.5) - 10_000 / 0.95) < 1e-6);
});

test('a backlog that what is there works off in time needs nothing', () => {
  const times = { patienceS: 600, serviceS: 10, startS: 60 };
  assert.equal(draining({ waiting: 50, oldestS: 0 }, times, 10), 0);
  assert.ok(draining({ waiting: 5000, oldestS: 0 }, times, 10) > 80);
  // Late already: no more than a slot for each.
  assert.equal(draining({ waiting: 50, oldestS: 900 }, times, 0), 50);
});

test('the largest value counts until it is old', () => {
  const most = new RollingMost();
  assert.deepEqual(
    [
      most.add(0, 5, 100),
      most.add(50, 3, 100),
      most.add(99, 4, 100),
      most.add(100, 1, 100),
      most.add(200, 0, 100),
    ],
    [5, 5, 5, 4, 0],
  );
});

test('start times are learned from the latest, and what nobody can have meant is left out', () => {
  const times = new StartTimes(180);
  assert.equal(times.startS, 180);
  for (let s = 1; s <= 20; s++) times.add(s);
  times.add(90_000);
  assert.deepEqual([times.startS, times.seen], [18, 20]);
});

test('a day like the one before is expected', () => {
  const profile = new DailyProfile();
  const load = (at: number) => 100 + 50 * Math.sin((2 * Math.PI * at) / 86_400_000);
  assert.equal(profile.growth(0, 600), 1);
  for (let at = 0; at <= 2 * 86_400_000; at += 60_000) profile.observe(at, load(at));
  const growth = profile.growth(2 * 86_400_000, 3600);
  assert.ok(Math.abs(growth - load(3_600_000) / load(0)) < 0.02, `${growth}`);
});

test('paid workers are told apart by what they do', () => {
  const uses = workersByUse({ ready: 10, starting: 2, draining: 1, running: 64, slots: 10 }, 1.5);
  assert.deepEqual(
    Object.fromEntries(Object.entries(uses).map(([name, value]) => [name, Number(value.toFixed(3))])),
    {
      ...{ used: 6.4, headroom: 1.2, idle: 2.4, starting: 2, draining: 1 },
    },
  );
});

test('the margin rises with each time that requests are late, and falls by itself', () => {
  const margin = new LearnedMargin();
  let at = 0;
  const pass = (s: number, isLate: boolean) => {
    let value = 0;
    for (const end = at + 1000 * s; at < end; at += 5000) value = margin.learn(at, isLate);
    return value;
  };
  assert.equal(pass(600, false), 0);
  const once = pass(30, true);
  assert.ok(once > 0.01 && once < 0.015, `${once}`);
  // One long misfortune teaches no more than a minute of it.
  assert.ok(pass(3600, true) < 0.03);
  pass(400, false);
  assert.ok(pass(30, true) > 0.025);
  for (let i = 0; i < 100; i++) {
    pass(400, false);
    pass(60, true);
  }
  assert.ok(pass(5, true) <= 0.5);
  assert.equal(pass(300_000, false), 0);
});
