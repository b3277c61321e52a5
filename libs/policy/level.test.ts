import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideBid, estimateWait, learnRate, levelOf, type WorkerLoad } from './level.ts';

const idle: WorkerLoad = {
  prefillBacklogTokens: 0,
  prefillTokensPerSec: 20_000,
  decoding: 0,
  running: 0,
  slots: 64,
  kvUse: null,
  errorRate: 0,
};
const working = { sick: false, draining: false };

test('an idle fast worker quotes 0, and every kind of load raises the quote', () => {
  assert.equal(levelOf(estimateWait(idle)), 0);
  const base = estimateWait(idle);
  assert.ok(estimateWait({ ...idle, prefillBacklogTokens: 30_000 }) > base);
  assert.ok(estimateWait({ ...idle, prefillTokensPerSec: 5000 }) > base);
  assert.ok(estimateWait({ ...idle, decoding: 32 }) > base);
  assert.ok(estimateWait({ ...idle, kvUse: 0.95 }) > base);
  assert.ok(estimateWait({ ...idle, errorRate: 0.3 }) > base);
});

test('levels rise with the wait, stay within 0–9, and take odd numbers', () => {
  let last = 0;
  for (let waitS = 0.01; waitS < 100; waitS *= 1.2) {
    const level = levelOf(waitS);
    assert.ok(level >= last && level <= 9);
    last = level;
  }
  assert.equal(last, 9);
  assert.equal(levelOf(Number.NaN), 0);
  assert.equal(levelOf(Number.POSITIVE_INFINITY), 9);
});

test('a worker without room, health or time does not bid', () => {
  assert.equal(decideBid({ ...idle, running: 64 }, working).reason, 'full');
  assert.equal(decideBid({ ...idle, kvUse: 0.99 }, working).reason, 'kv_full');
  assert.equal(decideBid(idle, { ...working, sick: true }).reason, 'sick');
  assert.equal(decideBid(idle, { ...working, draining: true }).reason, 'draining');
});

test('a bid promises no more than the room', () => {
  for (let running = 0; running < 64; running++) {
    const bid = decideBid({ ...idle, running }, working);
    assert.ok(bid.kind === 'bid' && bid.batch >= 1 && bid.batch <= 64 - running);
  }
});

test('a learned rate follows a change of speed within a few requests', () => {
  let rate = 20_000;
  for (let i = 0; i < 8; i++) rate = learnRate(rate, 4000, 1);
  assert.ok(rate < 6000);
  assert.equal(learnRate(rate, 0, 1), rate);
  assert.equal(learnRate(rate, 10, 0), rate);
});
