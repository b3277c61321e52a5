import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Distribution } from './distribution.ts';

/** Uniform in 0–1 and the same in every run. */
function* uniform(seed: number): Generator<number> {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

function take(count: number, of: (u: number) => number): number[] {
  const random = uniform(7);
  return Array.from({ length: count }, () => of(random.next().value ?? 0));
}

/** The definition: linear between the two nearest ranks. @param sorted lowest first. */
function reference(sorted: Float64Array, q: number): number {
  const rank = q * (sorted.length - 1);
  const low = sorted[Math.floor(rank)] ?? Number.NaN;
  return low + ((sorted[Math.ceil(rank)] ?? Number.NaN) - low) * (rank - Math.floor(rank));
}

function filled(values: readonly number[]): Distribution {
  const distribution = new Distribution();
  for (const value of values) distribution.add(value);
  return distribution;
}

const QUANTILES = [0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1];

test('few values: quantiles are exact', () => {
  for (const values of [[5], [1, 2], [3, 1, 2], take(4096, u => u * 1000 - 300)]) {
    const [distribution, sorted] = [filled(values), Float64Array.from(values).sort()];
    for (const q of QUANTILES) {
      assert.ok(Math.abs(distribution.quantile(q) - reference(sorted, q)) < 1e-9);
    }
  }
});

test('many values: quantiles are within 0.5 % of the reference', () => {
  const shapes: Record<string, (u: number) => number> = {
    uniform: u => 1 + u * 1000,
    exponential: u => -20 * Math.log(1 - u),
    'heavy tail': u => (1 - u) ** -1.5,
    'two humps': u => (u < 0.97 ? 5 + u : 900 + 300 * u),
    microseconds: u => 0.002 + u * 0.05,
    negative: u => u * 200 - 100,
  };
  for (const [name, shape] of Object.entries(shapes)) {
    const values = take(200_000, shape);
    const [distribution, sorted] = [filled(values), Float64Array.from(values).sort()];
    for (const q of QUANTILES) {
      const expected = reference(sorted, q);
      const error = Math.abs(distribution.quantile(q) - expected);
      // Around 0 the relative error of a mixed distribution means nothing.
      assert.ok(
        error <= Math.abs(expected) * 0.00501 + 1e-5,
        `${name} p${q}: off by ${error} of ${expected}`,
      );
    }
    assert.equal(distribution.min, sorted[0]);
    assert.equal(distribution.max, sorted.at(-1));
    assert.ok(Math.abs(distribution.mean - values.reduce((a, b) => a + b) / values.length) < 1e-6);
  }
});

test('zeros, and values beyond every bucket, are counted', () => {
  const values = [...Array.from({ length: 6000 }, () => 0), ...Array.from({ length: 4000 }, () => 1e15)];
  const distribution = filled(values);
  assert.equal(distribution.count, 10_000);
  assert.equal(distribution.quantile(0.5), 0);
  assert.equal(distribution.max, 1e15);
  assert.equal(new Distribution().quantile(0.9), 0);
});
