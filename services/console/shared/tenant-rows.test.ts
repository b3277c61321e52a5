import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isInColumn, limitWords, partOf, refusedWords, useWords } from './tenant-rows.ts';

const limit = (name: string, used: number, most: number, more: object = {}) => ({
  ...{ name, model: null, most, used, isEnforced: true },
  ...more,
});

test('what is used of a limit is told in its own unit, and that it is full', () => {
  assert.equal(useWords(limit('rpm_limit', 12, 60)), '12 of 60');
  assert.equal(useWords(limit('tpm_limit', 200_000, 200_000)), '200 k of 200 k, full');
  assert.equal(useWords(limit('max_budget', 1.234, 50)), '$1.23 of $50.00');
  assert.equal(useWords(limit('max_stored_bytes', 999, 2_500_000_000)), '999 B of 2.5 GB');
  assert.equal(useWords(limit('max_files', 7, 5)), '7 of 5, full');
});

test('a limit of nothing is full, and one of a model is named with it', () => {
  assert.deepEqual([partOf(limit('rpm_limit', 0, 0)), partOf(limit('rpm_limit', 3, 12))], [1, 0.25]);
  const ofModel = limit('rpm_limit', 1, 2, { model: 'llama' });
  assert.deepEqual([limitWords(ofModel), isInColumn(ofModel)], ['requests/min of llama', false]);
  assert.deepEqual(
    [limitWords(limit('max_open_batches', 1, 2)), isInColumn(limit('max_files', 1, 2))],
    ['open batches', true],
  );
});

test('refusals are named by their limit, the most frequent first', () => {
  assert.equal(refusedWords({ max_files: 1, rpm_limit: 4 }), '4 by rpm_limit, 1 by max_files');
  assert.equal(refusedWords({}), '');
});
