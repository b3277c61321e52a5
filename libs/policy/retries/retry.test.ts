import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideRetry, type FailedAttempt } from './retry.ts';

const first: FailedAttempt = {
  failures: 1,
  retryable: true,
  workerLost: false,
  shown: false,
  continuable: true,
  deadlineAt: 1000,
};

const cases: [string, Partial<FailedAttempt>, number, string][] = [
  ['before the first token it is tried again', {}, 0, 'attempts_left'],
  ['a lost worker is no reason to wait', { workerLost: true }, 0, 'worker_lost'],
  ['a final error stays final', { retryable: false }, 0, 'final_error'],
  ['the third failure ends it', { failures: 3 }, 0, 'attempts_spent'],
  ['nothing starts after the deadline', {}, 1000, 'deadline'],
  ['a stream half shown is continued where that is possible', { shown: true }, 0, 'continuable'],
  ['and ends with an error where it is not', { shown: true, continuable: false }, 0, 'shown_to_client'],
];

for (const [name, change, now, reason] of cases) {
  test(name, () => assert.equal(decideRetry({ ...first, ...change }, now).reason, reason));
}

test('a failing engine gets longer pauses, a lost worker none', () => {
  const delay = (change: Partial<FailedAttempt>) => {
    const decision = decideRetry({ ...first, ...change }, 0);
    return decision.kind === 'give_up' ? -1 : decision.delayMs;
  };
  assert.ok(delay({ failures: 2 }) > delay({ failures: 1 }));
  assert.equal(delay({ workerLost: true }), 0);
});
