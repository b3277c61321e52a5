import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constantArrivals, rampingArrivals, rampSteps } from './schedule.ts';

/** Starts in a window of the schedule, ms. */
function startsBetween(starts: readonly number[], from: number, to: number): number {
  return starts.filter(at => at >= from && at < to).length;
}

test('a constant rate starts exactly rate × duration iterations, evenly', () => {
  for (const [rate, durationMs, count] of [
    [1, 10_000, 10],
    [3, 1000, 3],
    [7, 60_000, 420],
    [3000, 10_000, 30_000],
    [0.5, 10_000, 5],
  ] as const) {
    const starts = [...constantArrivals(rate, durationMs)];
    assert.equal(starts.length, count, `${rate}/s`);
    assert.equal(starts[0], 0);
    for (let k = 1; k < starts.length; k++) {
      assert.ok(Math.abs((starts[k] ?? 0) - (starts[k - 1] ?? 0) - 1000 / rate) < 1e-6);
    }
  }
});

test('a ramp starts as many iterations as the area under its rate', () => {
  const up = [...rampingArrivals(0, [{ durationMs: 10_000, target: 100 }])];
  assert.equal(up.length, 500);
  // The rate at 5 s is 50/s: a quarter of the starts lies in the first half.
  assert.equal(startsBetween(up, 0, 5000.001), 125);
  assert.ok(Math.abs(startsBetween(up, 8000, 8100) - 8) <= 1);
});

test('stages follow one another, and one without duration jumps', () => {
  const starts = [
    ...rampingArrivals(10, [
      { durationMs: 10_000, target: 10 },
      { durationMs: 0, target: 200 },
      { durationMs: 5000, target: 200 },
      { durationMs: 4000, target: 0 },
      { durationMs: 10_000, target: 0 },
    ]),
  ];
  assert.equal(starts.length, 100 + 1000 + 400);
  // The hundredth start falls on the border itself.
  assert.equal(startsBetween(starts, 0, 9999), 99);
  assert.equal(startsBetween(starts, 10_001, 15_001), 1000);
  assert.ok((starts.at(-1) ?? 0) <= 19_000);
  assert.deepEqual(
    starts,
    [...starts].sort((a, b) => a - b),
  );
});

test('no schedule drifts: each second of an hour has its share within 1 %', () => {
  const starts = [...rampingArrivals(20, [{ durationMs: 3_600_000, target: 120 }])];
  for (let second = 100; second < 3500; second += 100) {
    const expected = (20 + (100 * (second + 50)) / 3600) * 100;
    const counted = startsBetween(starts, second * 1000, (second + 100) * 1000);
    assert.ok(Math.abs(counted - expected) <= expected * 0.01, `${second} s: ${counted} of ${expected}`);
  }
});

test('VUs follow the line from target to target', () => {
  const steps = rampSteps(0, [
    { durationMs: 10_000, target: 5 },
    { durationMs: 3000, target: 5 },
    { durationMs: 0, target: 8 },
    { durationMs: 4000, target: 0 },
  ]);
  assert.deepEqual(steps.slice(0, 6), [
    { atMs: 0, vus: 0 },
    { atMs: 2000, vus: 1 },
    { atMs: 4000, vus: 2 },
    { atMs: 6000, vus: 3 },
    { atMs: 8000, vus: 4 },
    { atMs: 10_000, vus: 5 },
  ]);
  assert.deepEqual(
    steps.slice(6, 9).map(step => step.atMs),
    [13_000, 13_000, 13_000],
  );
  assert.deepEqual(steps.at(-1), { atMs: 17_000, vus: 0 });
  assert.equal(steps.length, 9 + 8);
});
