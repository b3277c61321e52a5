import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Driver, Order } from './driver.ts';
import { GuardedDriver } from './guarded-driver.ts';

const HEARD = new Map([['p', 1]]);
const order = (workers: number): Order => ({ pool: 'p', workers, gone: [], reason: 'load' });

function guard(driver: Partial<Driver>) {
  const clock = { ms: 0, now: () => clock.ms, monotonic: () => clock.ms };
  const troubles: string[] = [];
  const guarded = new GuardedDriver({
    driver: { look: async heard => heard, order: async () => {}, close: async () => {}, ...driver },
    ...{ limitMs: 20, clock, log: { warn: () => {}, info: () => {} } as never },
    onTrouble: trouble => void troubles.push(trouble),
  });
  return { guarded, clock, troubles };
}

test('a driver that fails is left alone for a while that doubles, and trusted again once it answers', async () => {
  let isBroken = true;
  let calls = 0;
  const { guarded, clock, troubles } = guard({
    async look(heard) {
      calls++;
      if (isBroken) throw new Error('no such cluster');
      return heard;
    },
  });
  assert.equal(await guarded.look(HEARD), null);
  assert.equal(guarded.trouble, 'no such cluster');
  for (const at of [500, 1500, 2500, 3600]) {
    clock.ms = at;
    assert.equal(await guarded.look(HEARD), null);
  }
  assert.equal(calls, 3);
  isBroken = false;
  clock.ms = 9000;
  assert.equal(await guarded.look(HEARD), HEARD);
  assert.deepEqual([guarded.trouble, troubles], [null, ['look', 'look', 'look']]);
});

test('a driver that hangs is not waited for', async () => {
  const { guarded, troubles } = guard({ order: () => new Promise(() => {}) });
  assert.equal(await guarded.order(order(2)), false);
  assert.deepEqual(troubles, ['order']);
  assert.match(guarded.trouble ?? '', /no answer in 20 ms/);
});

test('a driver that accepts and does nothing is found out', async () => {
  const { guarded, clock, troubles } = guard({});
  assert.equal(await guarded.order(order(4)), true);
  clock.ms = 20_000;
  assert.equal(await guarded.look(HEARD), HEARD);
  clock.ms = 31_000;
  assert.equal(await guarded.look(HEARD), null);
  assert.deepEqual(troubles, ['not_followed']);
  assert.match(guarded.trouble ?? '', /pool p was to have 4 workers 31 s ago, and has 1/);
});

test('an order that is on its way is not given twice', async () => {
  const orders: Order[] = [];
  const { guarded } = guard({ order: async given => void orders.push(given) });
  await guarded.order(order(3));
  await guarded.order(order(3));
  await guarded.order(order(4));
  assert.deepEqual(
    orders.map(({ workers }) => workers),
    [3, 4],
  );
});

test('a count that can be none is not acted on', async () => {
  const { guarded } = guard({ look: async () => new Map([['p', Number.NaN]]) });
  assert.equal(await guarded.look(HEARD), null);
});
