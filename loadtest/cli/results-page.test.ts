import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { figuresOf, type LoadResult, percent, thresholdsOf } from './result.ts';
import { readResults, renderResults } from './results-page.ts';

const rate = (passes: number, fails: number, ok: boolean) => ({
  type: 'rate',
  contains: 'default',
  values: { rate: passes / Math.max(1, passes + fails), passes, fails },
  thresholds: { 'rate>=0.95': { ok } },
});
const summary = {
  metrics: {
    'llm_slo_good{phase:step_1}': rate(40, 0, true),
    'llm_slo_good{phase:step_2}': rate(30, 20, false),
    'llm_slo_good{phase:step_3}': rate(0, 0, true),
    llm_e2e: { type: 'trend', contains: 'time', values: { med: 1234.5678, 'p(99)': 9, count: 90 } },
    data_sent: { type: 'counter', contains: 'data', values: { count: 1 } },
  },
};
const result: LoadResult = {
  ...{ scenario: 'breakpoint', question: 'how much?', at: '2026-01-01T00:00:00Z', generator: 'somebody' },
  ...{ target: 'local stack', machine: '2 × X', settings: { RATE: '30' }, seconds: 9, generatorCores: 0.1 },
  passed: false,
  thresholds: thresholdsOf(summary),
  metrics: figuresOf(summary),
  timeline: { stepS: 1, moments: [] },
};

test('figures are rounded, and what says nothing is left out', () => {
  assert.deepEqual(result.metrics['llm_e2e'], { med: 1234.568, 'p(99)': 9, count: 90 });
  assert.equal(result.metrics['data_sent'], undefined);
  assert.deepEqual(
    result.thresholds.map(({ ok }) => ok),
    [true, false, true],
  );
});

test('a few misses among many are not rounded away', () => {
  const figures = figuresOf({ metrics: { llm_slo_good: rate(99_996, 4, true) } });
  assert.equal(figures['llm_slo_good']?.['rate'], 0.99996);
  assert.equal(percent(0.99996), '99.99 %');
  assert.equal(percent(0.57), '57.00 %');
  assert.equal(percent(1), '100.00 %');
});

test('the breakpoint tells the last step that held; one that was not reached did not', () => {
  const page = renderResults([result]);
  assert.match(page, /`breakpoint`: 1 of its 3 steps held, the last at 10 requests\/s/);
  assert.match(page, /\| limit found \|/);
  assert.match(page, /Failed thresholds: `breakpoint`: `llm_slo_good\{phase:step_2\}` rate>=0\.95/);
});

test('results are read in the order of the scenarios; what is not there is left out', () => {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-results-'));
  try {
    for (const scenario of ['soak', 'smoke'])
      writeFileSync(join(directory, `${scenario}.json`), JSON.stringify({ ...result, scenario }));
    assert.deepEqual(
      readResults(directory).map(({ scenario }) => scenario),
      ['smoke', 'soak'],
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});
