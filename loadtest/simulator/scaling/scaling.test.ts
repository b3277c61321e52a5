import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { compare, type FleetPlan } from './compare.ts';
import { demandOf } from './demand.ts';
import { needOf } from './fleet-week.ts';
import { generatedRates, readRates, scaled } from './rates.ts';

const PLAN: FleetPlan = {
  ...{ slots: 32, serviceS: 10, startS: 180, patienceS: 4 },
  ...{ price: 2.5, outputTokens: 300, seed: 1 },
};

test('over a generated week at most 12 % of the worker hours are beyond the oracle, with 99 % of the requests in SLO', () => {
  for (const seed of [1, 2]) {
    const { rows } = compare(scaled(generatedRates(7, seed), 7, 200), { ...PLAN, seed });
    const { penstock, oracle } = rows;
    assert.ok(penstock !== undefined && oracle !== undefined);
    assert.ok(penstock.over <= 0.12, `over-allocated ${penstock.over}`);
    assert.ok(penstock.inSlo >= 0.99, `in SLO ${penstock.inSlo}`);
    for (const other of ['static-peak', 'hpa-like', 'keda-lag', 'kpa-like'])
      assert.ok(penstock.over < (rows[other]?.over ?? 0) / 2, other);
    assert.ok(oracle.over < 0.001);
    assert.ok(oracle.inSlo > 0.999);
  }
});

test('uses add up to what is paid', () => {
  const { rows } = compare(scaled(generatedRates(1, 3), 1, 50), PLAN);
  for (const [name, { uses }] of Object.entries(rows)) {
    const all = Object.values(uses).reduce((sum, share) => sum + share, 0);
    assert.ok(Math.abs(all - 1) < 1e-9, name);
  }
});

test('arrivals have the mean of their table, and need follows them', () => {
  const demand = demandOf({
    table: scaled(generatedRates(1, 1), 1, 50),
    serviceS: 10,
    dispersion: 3,
    seed: 1,
  });
  const mean = demand.arrivals.reduce((sum, count) => sum + count, 0) / demand.arrivals.length;
  assert.ok(Math.abs(mean - 50) < 1, `${mean}`);
  const need = needOf(demand, 10);
  const meanNeed = need.reduce((sum, count) => sum + count, 0) / need.length;
  assert.ok(meanNeed > 50 && meanNeed < 60, `${meanNeed}`);
});

test('a table is read by the names of its columns, and what is wrong is named by its line', t => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-rates-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const read = (text: string, pool: string | null = null) => {
    writeFileSync(join(folder, 'rates.csv'), text);
    return readRates(join(folder, 'rates.csv'), pool);
  };
  const table = read('pool,window_start_s,rate_rps\na,600,3\na,0,1\nb,0,9\n', 'a');
  assert.deepEqual([table.windowS, table.rates], [600, [1, 3]]);
  assert.throws(() => read('time,rate\n0,1\n'), /has to name the columns window_start_s and rate_rps/);
  assert.throws(() => read('window_start_s,rate_rps\n0,1\n600,x\n'), /rates\.csv:3: .*numbers/);
  assert.throws(() => read('window_start_s,rate_rps\n0,1\n600,-1\n'), /not below 0/);
  assert.throws(
    () => read('pool,window_start_s,rate_rps\na,0,1\na,600,1\n', 'c'),
    /two windows or more are needed of pool c/,
  );
  assert.throws(() => readRates(join(folder, 'none.csv'), null), /cannot be read/);
});
