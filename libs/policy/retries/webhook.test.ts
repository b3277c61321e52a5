import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  breakerPauseMs,
  decideWebhook,
  nextTurnAt,
  WEBHOOK_ATTEMPTS,
  type WebhookAttempt,
} from './webhook.ts';

const tried = (more: Partial<WebhookAttempt> = {}): WebhookAttempt => ({
  ...{ attempt: 1, ageMs: 0, status: 500, retryAfterMs: null },
  ...more,
});

test('the schedule: ten attempts over 75 hours and 35 minutes', () => {
  const pauses: number[] = [];
  for (let attempt = 1; attempt <= WEBHOOK_ATTEMPTS; attempt++) {
    const decision = decideWebhook(tried({ attempt }), 1, 0);
    if (decision.kind === 'retry') pauses.push(decision.delayMs / 1000);
    else assert.deepEqual(decision, { kind: 'give_up', reason: 'attempts_spent' });
  }
  assert.deepEqual(pauses, [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]);
  assert.equal(
    pauses.reduce((sum, pause) => sum + pause),
    75 * 3600 + 35 * 60 + 5,
  );
});

test('jitter makes pauses longer, by a tenth at most; the scale shrinks them', () => {
  const late = decideWebhook(tried(), 1, 1);
  assert.ok(late.kind === 'retry' && late.delayMs === 5500);
  const scaled = decideWebhook(tried(), 0.001, 0);
  assert.ok(scaled.kind === 'retry' && scaled.delayMs === 5);
});

test('only 2xx counts; a redirect is a failure; 410 is the end', () => {
  const cases: [status: number | null, kind: string, reason: string][] = [
    [200, 'delivered', 'accepted'],
    [204, 'delivered', 'accepted'],
    [199, 'retry', 'refused'],
    [301, 'retry', 'redirected'],
    [307, 'retry', 'redirected'],
    [400, 'retry', 'refused'],
    [410, 'give_up', 'gone'],
    [429, 'retry', 'overloaded'],
    [500, 'retry', 'refused'],
    [502, 'retry', 'overloaded'],
    [503, 'retry', 'refused'],
    [504, 'retry', 'overloaded'],
    [null, 'retry', 'no_answer'],
  ];
  for (const [status, kind, reason] of cases) {
    const decision = decideWebhook(tried({ status }), 1, 0);
    assert.deepEqual([decision.kind, decision.reason], [kind, reason], String(status));
  }
});

test('an overloaded endpoint rests for as long as it asks, all of it', () => {
  const asked = decideWebhook(tried({ status: 429, retryAfterMs: 120_000 }), 1, 0);
  assert.deepEqual(asked, { kind: 'retry', reason: 'overloaded', delayMs: 120_000, pauseMs: 120_000 });
  const silent = decideWebhook(tried({ status: 429 }), 1, 0);
  assert.ok(silent.kind === 'retry' && silent.pauseMs === 30_000 && silent.delayMs === 30_000);
  const forever = decideWebhook(tried({ status: 429, retryAfterMs: 1e12 }), 1, 0);
  assert.ok(forever.kind === 'retry' && forever.pauseMs === 86_400_000);
  const unavailable = decideWebhook(tried({ status: 503, retryAfterMs: 60_000 }), 1, 0);
  assert.ok(unavailable.kind === 'retry' && unavailable.pauseMs === 60_000);
  const failed = decideWebhook(tried(), 1, 0);
  assert.ok(failed.kind === 'retry' && failed.pauseMs === 0);
});

test('an event is given up after four days, even if it could not be tried', () => {
  const decision = decideWebhook(tried({ attempt: 2, ageMs: 97 * 3600 * 1000 }), 1, 0);
  assert.deepEqual(decision, { kind: 'give_up', reason: 'too_old' });
});

test('the breaker opens at ten failures in a row and waits longer and longer', () => {
  const pauses = [0, 9, 10, 11, 13, 50].map(failures => breakerPauseMs(failures, 1));
  assert.deepEqual(pauses, [0, 0, 5000, 10_000, 40_000, 300_000]);
});

test('turns are as far apart as attempts end, and none is too late', () => {
  const first = nextTurnAt(0, 1000, 500, 10);
  assert.deepEqual([first, nextTurnAt(first, 1000, 500, 10)], [1050, 1100]);
  assert.equal(nextTurnAt(900, 1000, 500, 10), 1050);
  assert.equal(nextTurnAt(1e9, 1000, 500, 10), 31_000);
});
