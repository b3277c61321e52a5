import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plannedVus } from '../scheduling/load-test.ts';
import { readOptions } from './options.ts';

test('shorthands become the scenario they stand for', () => {
  const only = (raw: unknown, load = {}) => readOptions(raw, load).scenarios[0];
  assert.deepEqual(only({}), {
    name: 'default',
    startTimeMs: 0,
    gracefulStopMs: 30_000,
    exec: 'default',
    env: {},
    tags: {},
    executor: 'shared-iterations',
    vus: 1,
    iterations: 1,
    maxDurationMs: 600_000,
  });
  assert.equal(only({ vus: 3, duration: '10s' })?.executor, 'constant-vus');
  assert.equal(only({ stages: [{ duration: '1s', target: 3 }] })?.executor, 'ramping-vus');
  assert.equal(only({ vus: 3, iterations: 9, duration: '10s' })?.executor, 'shared-iterations');
});

test('the command line replaces scenarios', () => {
  const raw = {
    scenarios: {
      a: { executor: 'constant-arrival-rate', rate: 5, duration: '1m', preAllocatedVUs: 1 },
    },
  };
  const [plan] = readOptions(raw, { vus: 4, duration: '2s' }).scenarios;
  assert.ok(plan?.executor === 'constant-vus');
  assert.deepEqual([plan.vus, plan.durationMs], [4, 2000]);
});

test('rates are per second whatever their unit', () => {
  const arrivals = { preAllocatedVUs: 2, maxVUs: 9, timeUnit: '1m' };
  const { scenarios } = readOptions({
    scenarios: {
      a: { executor: 'constant-arrival-rate', rate: 120, duration: '1m30s', ...arrivals },
      b: {
        executor: 'ramping-arrival-rate',
        startRate: 60,
        stages: [{ target: 300, duration: '10s' }],
        ...arrivals,
      },
    },
  });
  const [a, b] = scenarios;
  assert.ok(a?.executor === 'constant-arrival-rate' && b?.executor === 'ramping-arrival-rate');
  assert.deepEqual([a.ratePerS, a.durationMs, a.maxVUs], [2, 90_000, 9]);
  assert.deepEqual([b.startRatePerS, b.stages], [1, [{ durationMs: 10_000, target: 5 }]]);
});

test('what is wrong is named', () => {
  const scenario = (extra: object) => ({
    scenarios: { s: { executor: 'constant-vus', duration: '1s', ...extra } },
  });
  const wrong: [unknown, RegExp][] = [
    [{ rps: 5 }, /options has 'rps'/],
    [scenario({ vuss: 1 }), /options\.scenarios\.s has 'vuss'/],
    [scenario({ vus: 0 }), /options\.scenarios\.s\.vus/],
    [scenario({ duration: 'long' }), /options\.scenarios\.s\.duration: "long" is no duration/],
    [scenario({ executor: 'externally-controlled' }), /executor names no executor/],
    [{ ...scenario({}), duration: '1s' }, /both `scenarios` and a shorthand/],
    [{ summaryTrendStats: ['p99'] }, /trend statistic/],
    [{ systemTags: ['status', 'vu'] }, /options\.systemTags\.1: Invalid option/],
    [
      {
        scenarios: {
          s: { executor: 'constant-arrival-rate', rate: 1, duration: '1s', preAllocatedVUs: 5, maxVUs: 2 },
        },
      },
      /maxVUs \(2\)/,
    ],
    [42, /no object/],
  ];
  for (const [raw, message] of wrong) assert.throws(() => readOptions(raw), message);
});

test('scenarios that follow one another share their VUs', () => {
  const each = (vus: number, startTime: string) => ({
    executor: 'constant-vus',
    vus,
    duration: '10s',
    gracefulStop: '0s',
    startTime,
  });
  const planned = (scenarios: object) => plannedVus(readOptions({ scenarios }).scenarios);
  assert.equal(planned({ a: each(5, '0s'), b: each(7, '10s') }), 7);
  assert.equal(planned({ a: each(5, '0s'), b: each(7, '9s') }), 12);
});
