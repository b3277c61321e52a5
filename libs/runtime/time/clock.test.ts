import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RegionClock } from './clock.ts';

test('the time is what Redis said, carried on by the monotonic clock, whatever the wall clock is set to', t => {
  let [wall, monotonic] = [1_000_000, 500];
  t.mock.method(Date, 'now', () => wall);
  t.mock.method(performance, 'now', () => monotonic);
  const clock = new RegionClock();
  assert.equal(clock.now(), 1_000_000, 'nobody has said anything yet');
  monotonic = 510;
  clock.hear(820_005, 500, 510);
  assert.equal(clock.now(), 820_010);
  wall += 180_000;
  monotonic += 40;
  assert.equal(clock.now(), 820_050);
});

test('the most exact answer counts, until one contradicts it', t => {
  let monotonic = 0;
  t.mock.method(performance, 'now', () => monotonic);
  const clock = new RegionClock();
  const hear = (serverMs: number, askedAt: number, answeredAt: number) => {
    monotonic = answeredAt;
    clock.hear(serverMs, askedAt, answeredAt);
    return clock.now();
  };
  assert.equal(hear(100_001, 0, 2), 100_002);
  assert.equal(hear(100_290, 100, 500), 100_500, 'off by ten, and right to two hundred only');
  assert.equal(hear(100_601, 600, 602), 100_602);
  assert.equal(hear(400_000, 700, 700), 400_000, 'the clock of Redis was set');
});
