import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  fitsLimit,
  isOver,
  type LimitCharge,
  leftOf,
  usedAfter,
  usedWith,
  waitMs,
  windowAt,
} from './limit.ts';

const MINUTE = 60_000;

function rate(most: number, cost = 1, part = 1): LimitCharge {
  return { kind: 'rate', name: 'rpm_limit:*', most, periodMs: MINUTE, cost, part, isEnforced: true };
}

/** A counter on a clock of its own. */
function counter() {
  let now = 0;
  let fullAt = 0;
  const used = () => Math.max(0, fullAt - now);
  return {
    used,
    pass: (ms: number) => {
      now += ms;
    },
    now: () => now,
    take(charge: LimitCharge): boolean {
      if (!fitsLimit(charge, used())) return false;
      fullAt = now + usedWith(charge, used());
      return true;
    },
    settle(charge: LimitCharge, more: number, takenAt: number): void {
      fullAt = now + usedAfter(charge, used(), more, now - takenAt);
    },
  };
}

test('a rate lets a whole period through at once, and then one for each part of it', () => {
  for (const most of [1, 3, 7, 60, 1000, 99_991]) {
    const { take, used, pass } = counter();
    for (let i = 0; i < most; i++) assert.ok(take(rate(most)), `${i} of ${most}`);
    assert.ok(!take(rate(most)));
    assert.equal(leftOf(rate(most), used()), 0);
    const wait = waitMs(rate(most), used(), 0);
    assert.ok(Math.abs(wait - MINUTE / most) < 0.1, `${wait}`);
    pass(wait);
    assert.ok(take(rate(most)));
    assert.ok(!take(rate(most)));
    pass(MINUTE);
    assert.equal(leftOf(rate(most), used()), most);
  }
});

test('what is left and when it is whole again is told in whole units', () => {
  assert.deepEqual([leftOf(rate(60), 0), leftOf(rate(60), 1000), leftOf(rate(60), 1500)], [60, 59, 58]);
  assert.equal(leftOf(rate(60), 3 * MINUTE), 0, 'owed');
  const parallel = { ...rate(4), kind: 'parallel' } as const;
  assert.deepEqual([leftOf(parallel, 3), fitsLimit(parallel, 3), fitsLimit(parallel, 4)], [1, true, false]);
});

test('what costs more than there ever is never fits, and nothing fits into nothing', () => {
  assert.equal(waitMs(rate(10, 11), 0, 0), Number.POSITIVE_INFINITY);
  assert.ok(!fitsLimit(rate(10, 11), 0));
  assert.ok(!fitsLimit(rate(0), 0));
  assert.equal(waitMs(rate(0), 0, 0), Number.POSITIVE_INFINITY);
  assert.ok(fitsLimit(rate(0, 0), 0), 'what costs nothing is not limited');
});

test('who may use a part waits for the rest, and for all of it where one is more than the part', () => {
  assert.ok(!fitsLimit(rate(10, 4, 0.5), 0.2 * MINUTE));
  assert.equal(waitMs(rate(10, 4, 0.5), 0.2 * MINUTE, 0), 0.1 * MINUTE);
  assert.ok(fitsLimit(rate(10, 8, 0.5), 0));
  assert.equal(waitMs(rate(10, 8, 0.5), 0.2 * MINUTE, 0), 0.2 * MINUTE);
});

test('a budget begins anew with each window, one without an end never', () => {
  const day = 86_400_000;
  const budget = { ...rate(5, 2), kind: 'budget', periodMs: day } as const;
  const noon = 100 * day + day / 2;
  assert.equal(windowAt(noon, day), 100 * day);
  assert.ok(fitsLimit(budget, 3) && !fitsLimit(budget, 3.5));
  assert.equal(waitMs(budget, 4, noon), day / 2);
  assert.equal(waitMs({ ...budget, periodMs: 0 }, 4, noon), Number.POSITIVE_INFINITY);
  assert.equal(waitMs({ ...budget, cost: 6 }, 0, noon), Number.POSITIVE_INFINITY);
  assert.ok(!isOver(budget, 5) && isOver(budget, 5.01));
});

test('however requests overlap and whatever they were thought to cost, no more is used than the limit and what came back', () => {
  let seed = 7;
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed / 2 ** 31;
  };
  for (let round = 0; round < 200; round++) {
    const { take, settle, pass, now } = counter();
    const most = 1000;
    const open: { charge: LimitCharge; takenAt: number; cost: number }[] = [];
    let spent = 0;
    for (let step = 0; step < 300; step++) {
      pass(random() * 4000);
      const charge = rate(most, 1 + Math.floor(random() * 400));
      // Never more than was thought: then what is over is owed, and the bound holds once it was paid back.
      if (take(charge)) open.push({ charge, takenAt: now(), cost: Math.floor(random() * charge.cost) });
      if (random() < 0.6) continue;
      const [one] = open.splice(Math.floor(random() * open.length), 1);
      if (one === undefined) continue;
      settle(one.charge, one.cost - one.charge.cost, one.takenAt);
      spent += one.cost;
      assert.ok(spent <= most + (most * now()) / MINUTE + 1, `round ${round}: ${spent} by ${now()}`);
    }
  }
});
