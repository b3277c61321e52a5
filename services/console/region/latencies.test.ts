import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countBetween, countWithin, Latencies, quantileBetween } from './latencies.ts';

const bounds = [0.1, 1, 10];
const histogram = (...counts: number[]) => ({ bounds, counts });

test('counts of several processes add up, and one that begins anew is counted from zero', () => {
  const latencies = new Latencies();
  const from = latencies.read();
  latencies.add(histogram(1, 2, 3, 3), histogram(2, 4, 6, 6));
  latencies.add(null, histogram(0, 1, 1, 2));
  assert.equal(countBetween(from, latencies.read()), 5);
  assert.equal(countWithin(from, latencies.read(), 1), 3);
  assert.equal(countBetween(latencies.read(), latencies.read()), 0);
});

test('percentiles are spread within a bucket, as Prometheus does, and null where nothing came', () => {
  const latencies = new Latencies();
  const from = latencies.read();
  assert.equal(quantileBetween(from, latencies.read(), 0.5), null);
  latencies.add(null, histogram(0, 10, 10, 10));
  assert.equal(quantileBetween(from, latencies.read(), 0.5), 0.1 + 0.9 * 0.5);
  latencies.add(null, histogram(0, 0, 0, 10));
  assert.equal(quantileBetween(from, latencies.read(), 0.99), 10, 'nothing is known above the last bound');
});

test('what is within a limit between two bounds is a share of its bucket', () => {
  const latencies = new Latencies();
  const from = latencies.read();
  latencies.add(null, histogram(1, 1, 10, 20));
  assert.equal(countWithin(from, latencies.read(), 5.5), 1 + 9 / 2);
  assert.equal(countWithin(from, latencies.read(), 100), 10);
});

test('nodes with other bounds leave the counts finite and rising', () => {
  const latencies = new Latencies();
  const from = latencies.read();
  latencies.add(null, histogram(1, 2, 3, 4));
  latencies.add(null, { bounds: [0.5], counts: [2, 2] });
  assert.equal(countBetween(from, latencies.read()), 6);
  const p50 = quantileBetween(from, latencies.read(), 0.5);
  assert.ok(p50 !== null && p50 >= 0 && p50 <= 10);
});
