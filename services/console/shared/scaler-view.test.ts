import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SCALE_LIMITS, SCALE_REASONS } from '@penstock/policy';
import { changeWords, LIMIT_WORDS, REASON_WORDS } from './scaler-view.ts';

test('every reason and limit of a decision has words', () => {
  assert.deepEqual(Object.keys(REASON_WORDS).sort(), [...SCALE_REASONS].sort());
  assert.deepEqual(Object.keys(LIMIT_WORDS).sort(), [...SCALE_LIMITS].sort());
});

test('what changes is told, or what there is where nothing does', () => {
  assert.equal(changeWords({ before: { a: 3, b: 1 }, workers: { a: 5, b: 1 } }), 'a 3→5');
  assert.equal(changeWords({ before: { a: 3, b: 1 }, workers: { a: 3, b: 1 } }), 'a 3, b 1');
  assert.equal(changeWords({ before: {}, workers: { a: 1 } }), 'a 0→1');
});
