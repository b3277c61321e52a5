import assert from 'node:assert/strict';
import { test } from 'node:test';
import { difference, meanOf } from './figures.ts';

const figures = (ms: number) => ({
  requests: 10,
  ttftMeanMs: ms,
  ttftP50Ms: ms,
  ttftP90Ms: 2 * ms,
  itlMeanMs: ms / 10,
});

test('rounds are averaged, requests are summed, differences are relative to the second', () => {
  const mean = meanOf([figures(90), figures(110)]);
  assert.deepEqual(mean, { requests: 20, ttftMeanMs: 100, ttftP50Ms: 100, ttftP90Ms: 200, itlMeanMs: 10 });
  const apart = difference(figures(104), figures(100));
  for (const share of Object.values(apart)) assert.ok(Math.abs(share - 0.04) < 1e-9);
});
