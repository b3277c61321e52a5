import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolRules } from '@penstock/policy';
import type { IngressStatus } from '@penstock/protocol';
import { CostMeter } from './cost-meter.ts';
import { TokenCost } from './token-cost.ts';

const POOL: PoolRules = {
  ...{ name: 'p', models: ['m'], slots: 10, speed: 1, pricePerHour: 36, startS: 60 },
  ...{ least: 0, most: 10, zeroAfterS: 600, schedule: [] },
};

function start() {
  const clock = { ms: 0, now: () => clock.ms, monotonic: () => clock.ms };
  return { clock, meter: new CostMeter(clock, 0) };
}

test('paid time goes by use, and what the busiest moment of a minute did not need is over-allocated', () => {
  const { clock, meter } = start();
  let tokens = 0;
  for (; clock.ms <= 60_000; clock.ms += 5000) {
    // 4 workers of 10 slots; at most 15 requests at once: 2 would have done.
    const running = clock.ms === 30_000 ? 15 : 10;
    const use = { ready: 4, starting: 0, draining: 0, running, waiting: 0, tokens: new Map([['w', tokens]]) };
    meter.see(POOL, use);
    tokens += 100;
  }
  const counted = meter.counted.get('p');
  assert.ok(counted !== undefined);
  assert.deepEqual([counted.overS, counted.tokens, Math.round(counted.cost * 1000)], [120, 1200, 2400]);
  assert.equal(Math.round(counted.workerS.used * 10), 625);
  assert.equal(Math.round(counted.workerS.used + counted.workerS.idle), 240);
});

test('a process that is started again counts its tokens from none, and time that nobody watched is not charged', () => {
  const { clock, meter } = start();
  const see = (tokens: readonly (readonly [string, number])[]) =>
    meter.see(POOL, { ready: 1, starting: 0, draining: 0, running: 0, waiting: 0, tokens: new Map(tokens) });
  see([['w 1', 500]]);
  clock.ms = 1000;
  see([['w 1', 600]]);
  clock.ms = 2000;
  see([['w 2', 40]]);
  clock.ms = 500_000;
  see([['w 2', 50]]);
  assert.deepEqual([meter.counted.get('p')?.tokens, meter.counted.get('p')?.workerS.idle], [150, 2]);
});

test('a million tokens cost what all cost, over those of answers that began in time', () => {
  const { clock, meter } = start();
  const cost = new TokenCost(meter, 2.5, clock);
  const hear = (inTime: number, all: number) =>
    cost.hear({
      ...{ ingress: 'i', incarnation: 'x', leaving: false },
      ttft: { bounds: [1, 2.5, 5], counts: [0, inTime, all, all] },
    } as never as IngressStatus);
  const see = (tokens: number) =>
    meter.see(POOL, {
      ready: 1,
      starting: 0,
      draining: 0,
      running: 0,
      waiting: 0,
      tokens: new Map([['w', tokens]]),
    });
  see(0);
  hear(5, 5);
  cost.look();
  assert.equal(cost.perMillion, null);
  clock.ms = 50_000;
  see(1000);
  hear(9, 10);
  cost.look();
  // 0.5 for 800 tokens in time.
  assert.equal(Math.round(cost.perMillion ?? 0), 625);
});
