import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusyRate } from './busy-rate.ts';
import { StandingQueue } from './standing-queue.ts';
import { type ForecastOf, WaitForecast } from './wait-forecast.ts';

const NOW: ForecastOf = {
  ahead: null,
  cost: 10,
  onTheWay: 0,
  ownS: 0.5,
  quotedS: 0.2,
  workers: 2,
  promised: 1000,
};

test('what the quotes promise counts until enough of a backlog was seen', () => {
  const rate = new BusyRate();
  assert.equal(rate.perSecond(2, 1000, 0), 1000);
  rate.passed(0.25, 2);
  rate.begun(50);
  assert.equal(rate.perSecond(2, 1000, 0), 600, 'half of it was seen, at 200 a second');
  for (let i = 0; i < 400; i++) {
    rate.passed(0.1, 2);
    rate.begun(20);
  }
  assert.ok(Math.abs(rate.perSecond(2, 1000, 0) - 200) < 2);
  assert.ok(Math.abs(rate.perSecond(4, 1000, 0) - 400) < 4, 'twice the workers begin twice as much');
  assert.equal(rate.perSecond(0, 0, 0), 0);
});

test('where nothing has begun yet, the next one may', () => {
  const rate = new BusyRate();
  rate.passed(4, 1);
  assert.equal(rate.perSecond(1, 1000, 20), 5);
});

test('with room, a request waits for what the best worker quotes, and for its own prompt', () => {
  assert.equal(new WaitForecast().seconds(NOW), 0.7);
});

/** Of two workers that begin 100 a second together. */
function busy(tookS: (i: number) => number): WaitForecast {
  const forecast = new WaitForecast();
  for (let i = 0; i < 200; i++) {
    forecast.look(i * 100, true, 2);
    forecast.begun(10, tookS(i), 0.5);
  }
  return forecast;
}

test('with a backlog, it waits for what is ahead, and on its way as long as others did', () => {
  const waits = busy(() => 1.5).seconds({ ...NOW, ahead: 300 });
  assert.ok(Math.abs(waits - (3 + 1 + 0.5)) < 0.1, String(waits));
});

test('where the way takes now this, now that long, it is taken to be longer than its mean', () => {
  const [even, uneven] = [busy(() => 1.5), busy(i => (i % 2 === 0 ? 0.5 : 2.5))];
  assert.ok(uneven.seconds({ ...NOW, ahead: 0 }) > even.seconds({ ...NOW, ahead: 0 }) + 1);
});

test('more on the way than usual takes longer', () => {
  const forecast = busy(() => 1.5);
  assert.ok(forecast.seconds({ ...NOW, ahead: 0, onTheWay: 1000 }) > 10);
});

test('where nothing is known of a backlog no more than an hour is said', () => {
  const none = { ahead: 10, cost: 0, onTheWay: 5, ownS: 0, quotedS: 0, workers: 0, promised: 0 };
  assert.equal(new WaitForecast().seconds(none), 3600);
});

test('a queue stands once nothing has passed quickly for a second, and no more once something does', () => {
  const queue = new StandingQueue();
  queue.passed(600, 0);
  queue.passed(2000, 999);
  assert.equal(queue.isStanding(999), false);
  assert.equal(queue.isStanding(1000), true);
  queue.passed(100, 1100);
  assert.equal(queue.isStanding(1200), false);
});
