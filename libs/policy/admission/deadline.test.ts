import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEFAULT_TIMEOUT_MS,
  keptMs,
  patienceOf,
  type TimeoutHints,
  timeoutOf as timeout,
} from './deadline.ts';

const MAX_MS = 3_600_000;
const timeoutOf = (hints: TimeoutHints) => timeout(hints, MAX_MS);

test('our header wins, then the SDK time-out in seconds, then its read time-out, then the default', () => {
  assert.equal(timeoutOf({ requestTimeoutMs: '1500', stainlessTimeout: '60' }), 1500);
  assert.equal(timeoutOf({ stainlessTimeout: '60', stainlessReadTimeout: '5' }), 60_000);
  assert.equal(timeoutOf({ stainlessReadTimeout: '5' }), 5000);
  assert.equal(timeoutOf({}), DEFAULT_TIMEOUT_MS);
});

test('nonsense is ignored and extremes are bounded', () => {
  for (const bad of ['', 'abc', '-5', '0', 'NaN', 'Infinity', '1e999']) {
    assert.equal(timeoutOf({ requestTimeoutMs: bad }), DEFAULT_TIMEOUT_MS, bad);
  }
  assert.equal(timeoutOf({ stainlessTimeout: '999999999' }), MAX_MS);
  assert.equal(timeout({}, 1000, 1000), 1000);
});

test('the broker keeps a request beyond its deadline, and one whose stream may flow on for an hour at least', () => {
  assert.equal(keptMs(5000, false), 65_000);
  assert.equal(keptMs(5000, true), 3_660_000);
  assert.equal(keptMs(7_200_000, true), 7_260_000);
});

test('a client that has chosen waits so long for the first token, less what the answer takes that it waits for', () => {
  const of = (hints: TimeoutHints, answerMs = 0) =>
    patienceOf(hints, { timeoutMs: timeoutOf(hints), usualMs: 60_000, answerMs });
  assert.equal(of({ requestTimeoutMs: '90000' }), 90_000);
  assert.equal(of({ requestTimeoutMs: '90000' }, 20_000), 70_000);
  assert.equal(of({ requestTimeoutMs: '600000' }), 600_000);
  assert.equal(of({ stainlessTimeout: '30' }), 30_000);
  assert.equal(of({ stainlessReadTimeout: '5' }, 9000), 0);
});

test('who has not chosen waits as long as is usual: what the SDKs send by themselves says nothing', () => {
  const of = (hints: TimeoutHints, timeoutMs: number) =>
    patienceOf(hints, { timeoutMs, usualMs: 60_000, answerMs: 20_000 });
  assert.equal(of({}, 600_000), 60_000);
  assert.equal(of({ stainlessTimeout: '600', stainlessReadTimeout: '600' }, 600_000), 60_000);
  assert.equal(of({ requestTimeoutMs: 'abc' }, 600_000), 60_000);
  assert.equal(of({}, 10_000), 10_000, 'no longer than it waits at all');
});
