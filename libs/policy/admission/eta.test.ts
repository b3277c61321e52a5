import assert from 'node:assert/strict';
import { test } from 'node:test';
import { estimateStart, learnStarts, pollRunning } from './eta.ts';

const idle = { ahead: 0, engineWaitS: 0, slots: 100 };

test('with nothing ahead it is the engines that decide', () => {
  const now = estimateStart({ pending: 0, startsPerS: null }, { ...idle, engineWaitS: 0.4 });
  assert.deepEqual(now, { position: 'next', etaMs: 400, pollMs: 450 });
  assert.equal(estimateStart({ pending: 0, startsPerS: 2 }, { ...idle, engineWaitS: 5 }).position, 'soon');
});

test('a backlog is waited for at the rate at which it is taken', () => {
  const eta = estimateStart({ pending: 50, startsPerS: 5 }, { ...idle, ahead: 50 });
  assert.equal(eta.etaMs, 10_000);
  assert.equal(eta.position, 'soon');
  assert.equal(estimateStart({ pending: 900, startsPerS: 5 }, { ...idle, ahead: 900 }).position, 'later');
});

test('more ahead, or a slower lane, is never sooner', () => {
  let last = -1;
  for (let ahead = 0; ahead <= 400; ahead += 20) {
    const { etaMs } = estimateStart({ pending: 400, startsPerS: 3 }, { ...idle, ahead });
    const slower = estimateStart({ pending: 400, startsPerS: 1 }, { ...idle, ahead });
    assert.ok(etaMs >= last && slower.etaMs >= etaMs);
    last = etaMs;
  }
});

test('no more can be ahead than waits, and an unknown rate is guessed from the slots', () => {
  assert.equal(estimateStart({ pending: 2, startsPerS: 1 }, { ...idle, ahead: 100 }).etaMs, 2000);
  assert.equal(estimateStart({ pending: 20, startsPerS: null }, { ...idle, ahead: 20 }).etaMs, 2000);
});

test('a model nobody serves is later, and a lane that stands still is not divided by zero', () => {
  const none = estimateStart({ pending: 0, startsPerS: null }, { ahead: 0, engineWaitS: 0, slots: 0 });
  assert.equal(none.position, 'later');
  assert.equal(none.etaMs, 60_000);
  const stuck = estimateStart({ pending: 10, startsPerS: 0 }, { ...idle, ahead: 10 });
  assert.equal(stuck.position, 'later');
  assert.ok(Number.isFinite(stuck.etaMs));
});

test('nobody is asked to poll more than four times a second or less than twice a minute', () => {
  for (const etaS of [0, 1, 100, 100_000]) {
    const { pollMs } = estimateStart({ pending: 0, startsPerS: 1 }, { ...idle, engineWaitS: etaS });
    assert.ok(pollMs >= 250 && pollMs <= 30_000);
  }
  assert.equal(pollRunning(0), 250);
  assert.equal(pollRunning(8000), 2000);
  assert.equal(pollRunning(600_000), 5000);
});

test('an empty lane teaches nothing about how fast it could be taken', () => {
  assert.equal(learnStarts(null, { started: 3, seconds: 1, backlog: 0 }), null);
  assert.equal(learnStarts(null, { started: 3, seconds: 1, backlog: 5 }), 3);
  assert.ok((learnStarts(3, { started: 0, seconds: 1, backlog: 5 }) ?? 3) < 3);
});
