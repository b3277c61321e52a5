import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteBudget } from './byte-budget.ts';

const FOREVER = new AbortController().signal;

test('no more is taken than there is, and who waits is served in order', async () => {
  const budget = new ByteBudget(100);
  const first = await budget.take(60, 0);
  const order: string[] = [];
  const take = async (bytes: number, name: string) => {
    const giveBack = await budget.take(bytes, FOREVER);
    order.push(name);
    return giveBack;
  };
  const second = take(60, 'second');
  // It would fit, but does not pass the one before it.
  const third = take(30, 'third');
  assert.equal(budget.takenBytes, 60);
  first?.();
  first?.();
  const [giveSecond, giveThird] = await Promise.all([second, third]);
  assert.deepEqual(order, ['second', 'third']);
  assert.equal(budget.takenBytes, 90);
  giveSecond?.();
  giveThird?.();
  assert.equal(budget.takenBytes, 0);
});

test('who gives up waiting gets nothing and holds up nobody', async () => {
  const budget = new ByteBudget(100);
  const first = await budget.take(60, 0);
  const impatient = new AbortController();
  const second = budget.take(60, impatient.signal);
  const third = budget.take(40, FOREVER);
  impatient.abort();
  assert.equal(await second, null);
  assert.notEqual(await third, null);
  assert.equal(await budget.take(1, AbortSignal.abort()), null);
  first?.();
  assert.equal(budget.takenBytes, 40);
});

test('what is larger than the budget takes all of it', async () => {
  const budget = new ByteBudget(100);
  const all = await budget.take(1000, 0);
  assert.equal(budget.takenBytes, 100);
  all?.();
  assert.equal(budget.takenBytes, 0);
});
