/** What every ledger of limits has to keep: periods are a day, so that nothing depends on how long a step takes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LimitCharge } from '@penstock/policy';
import type { LimitLedger, LimitTake } from '../../ports/limits/limit-ledger.ts';

const DAY_MS = 86_400_000;
/** An hour of the day passes between two windows of budgets at most. */
const WINDOW_MS = 1000 * DAY_MS;
let projects = 0;

function rate(most: number, cost = 1, change: Partial<LimitCharge> = {}): LimitCharge {
  const name = 'tpm_limit:*';
  return { ...{ kind: 'rate', name, most, periodMs: DAY_MS, cost, part: 1, isEnforced: true }, ...change };
}

function budget(most: number, cost: number, change: Partial<LimitCharge> = {}): LimitCharge {
  return rate(most, cost, { kind: 'budget', name: 'max_budget:*', periodMs: WINDOW_MS, ...change });
}

function parallel(most: number, scope = '*'): LimitCharge {
  return rate(most, 1, { kind: 'parallel', name: `max_parallel_requests:${scope}`, periodMs: 0 });
}

export interface LimitLedgerSubject {
  /** Of two processes. */
  readonly ledgers: readonly [LimitLedger, LimitLedger];
  /** Lets time pass for one project. */
  readonly elapse: (project: string, ms: number) => Promise<void>;
}

function newTake(...charges: LimitCharge[]): LimitTake {
  projects++;
  return { project: `p-${projects}`, id: 'r-1', model: 'm', charges, leaseMs: 60_000 };
}

/** Without the time that a step took. */
function rounded(used: readonly number[]): number[] {
  return used.map(each => Math.round(each / 10_000) * 10_000);
}

export function testLimitLedger(subject: () => LimitLedgerSubject): void {
  testTaking(subject);
  testTime(subject);
  testKinds(subject);
}

function testTaking(subject: () => LimitLedgerSubject): void {
  test('two processes at once let no more through than the limit', async () => {
    const { ledgers } = subject();
    for (const charge of [rate(7), parallel(7), budget(0.7, 0.1)]) {
      const what = newTake(charge);
      const asked = Array.from({ length: 20 }, (_, i) => ledgers[i % 2]?.take({ ...what, id: `r-${i}` }));
      const answers = await Promise.all(asked);
      assert.equal(answers.filter(answer => answer?.isRefused === false).length, 7, charge.kind);
    }
  });

  test('a request takes all of its charges or none, and hears what is used', async () => {
    const [ledger] = subject().ledgers;
    const what = newTake(rate(10, 4), budget(1, 0.25), parallel(5));
    assert.deepEqual(rounded((await ledger.take(what)).used.slice(0, 1)), [rounded([0.4 * DAY_MS])[0]]);
    const { used, isRefused } = await ledger.take({ ...what, id: 'r-2' });
    assert.deepEqual([used.slice(1), isRefused], [[0.5, 2], false]);
    const third = await ledger.take({ ...what, id: 'r-3' });
    assert.deepEqual([third.used.slice(1), third.isRefused], [[0.5, 2], true], 'as it was before');
    const smaller = await ledger.take({ ...what, id: 'r-4', charges: [rate(10, 2)] });
    assert.equal(smaller.isRefused, false, 'of what was refused nothing was taken');
  });

  test('what was taken is corrected by what it cost, and its place is free', async () => {
    const [ledger, other] = subject().ledgers;
    const what = newTake(rate(100, 60), budget(1, 0.6), parallel(1));
    const { at: takenAt } = await ledger.take(what);
    await other.settle({ ...what, more: [-50, -0.5, 0], takenAt });
    const [tokens, dollars, places] = await other.look(what);
    assert.deepEqual(rounded([tokens ?? 0]), rounded([0.1 * DAY_MS]));
    assert.equal(Math.round((dollars ?? 0) * 1000), 100);
    assert.equal(places, 0);
    const again = await ledger.take({ ...what, id: 'r-2' });
    assert.equal(again.isRefused, false);
    await ledger.settle({ ...what, id: 'r-2', more: [90, 0.9, 0], takenAt: again.at });
    const after = await ledger.take({ ...what, id: 'r-3', charges: [rate(100, 1)] });
    assert.equal(after.isRefused, true, 'what cost more than there was is owed');
  });
}

function testTime(subject: () => LimitLedgerSubject): void {
  test('a rate fills again evenly, and what comes back late is no more than it was', async () => {
    const { ledgers, elapse } = subject();
    const what = newTake(rate(10, 10));
    const { at: takenAt } = await ledgers[0].take(what);
    const one = { ...what, charges: [rate(10, 1)] };
    assert.equal((await ledgers[1].take(one)).isRefused, true);
    await elapse(what.project, DAY_MS / 10 + 1000);
    assert.equal((await ledgers[1].take(one)).isRefused, false);
    assert.equal((await ledgers[1].take(one)).isRefused, true);
    await ledgers[0].settle({ ...what, more: [-10], takenAt: takenAt - DAY_MS - 1000 });
    assert.equal((await ledgers[1].take(one)).isRefused, true, 'it has come back by itself');
  });

  test('a place among the parallel requests ends by itself unless it is renewed', async () => {
    const { ledgers, elapse } = subject();
    const what = newTake(parallel(2), parallel(1, 'm'));
    await ledgers[0].take({ ...what, id: 'lost' });
    const ofOther = { ...what, model: 'n', charges: [parallel(2)] };
    await ledgers[0].take({ ...ofOther, id: 'kept' });
    assert.equal((await ledgers[1].take({ ...what, id: 'new' })).isRefused, true);
    await elapse(what.project, 40_000);
    await ledgers[0].renew([{ ...ofOther, id: 'kept' }], 60_000);
    await elapse(what.project, 40_000);
    assert.deepEqual(await ledgers[1].look(what), [1, 0]);
    assert.equal((await ledgers[1].take({ ...what, id: 'new' })).isRefused, false);
    assert.equal((await ledgers[1].take({ ...ofOther, id: 'newer' })).isRefused, true);
  });
}

function testKinds(subject: () => LimitLedgerSubject): void {
  test('a limit that is not enforced is counted, and one of nothing lets nothing through', async () => {
    const [ledger] = subject().ledgers;
    const what = newTake(rate(1, 1, { isEnforced: false }));
    for (let i = 0; i < 3; i++) assert.equal((await ledger.take(what)).isRefused, false);
    assert.deepEqual(rounded(await ledger.look(what)), [3 * DAY_MS]);
    for (const charge of [rate(0), budget(0, 0.1), parallel(0)])
      assert.equal((await ledger.take(newTake(charge))).isRefused, true, charge.kind);
  });

  test('who can wait leaves a part to others, unless nobody has taken anything', async () => {
    const [ledger] = subject().ledgers;
    const what = newTake(rate(10, 3, { part: 0.5 }));
    assert.equal((await ledger.take(what)).isRefused, false);
    assert.equal((await ledger.take(what)).isRefused, true);
    assert.equal((await ledger.take({ ...what, charges: [rate(10, 7)] })).isRefused, false);
    assert.equal((await ledger.take(newTake(rate(10, 9, { part: 0.5 })))).isRefused, false);
  });

  test('a rate that is changed begins anew, a budget goes on', async () => {
    const [ledger] = subject().ledgers;
    const what = newTake(rate(8, 8), budget(1, 0.6));
    assert.equal((await ledger.take(what)).isRefused, false);
    assert.equal((await ledger.take({ ...what, charges: [rate(1000, 1)] })).isRefused, false);
    assert.equal((await ledger.take({ ...what, charges: [budget(1.1, 0.6)] })).isRefused, true);
    assert.equal((await ledger.take({ ...what, charges: [budget(1.3, 0.6)] })).isRefused, false);
  });

  test('a budget without an end is kept for good', async () => {
    const [ledger] = subject().ledgers;
    const charge = budget(1, 0.6, { periodMs: 0 });
    const what = newTake(charge);
    assert.equal((await ledger.take(what)).isRefused, false);
    assert.equal((await ledger.take(what)).isRefused, true);
    assert.deepEqual(await ledger.look(what), [0.6]);
  });
}
