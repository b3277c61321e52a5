import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IDLE, RATE } from '../worker-load.fixture.ts';
import { type BidState, type BidTuning, DEFAULT_TUNING, decideBid } from './bid.ts';
import { decideIdleCapacityBid } from './idle-capacity.ts';
import { idealWait, levelOf } from './level.ts';
import { learnRate } from './prefill-rate.ts';
import {
  DEFAULT_BOUNDARIES,
  parseBoundaries,
  SIZE_CLASSES,
  sizeClassOf,
  TYPICAL_TOKENS,
  typicalTokens,
} from './size-class.ts';
import { estimateWait, paceOf, prefillAheadS } from './worker-load.ts';

const working: BidState = {
  sick: false,
  draining: false,
  fleetTokensPerSec: RATE,
  overReserveS: 0,
  meanTokens: 1000,
};

test('an idle worker as fast as any quotes 0 for every size, a slower one more', () => {
  for (const size of SIZE_CLASSES) {
    const fast = decideBid(IDLE, size, working);
    assert.ok(fast.kind === 'bid' && fast.level === 0);
    const slow = decideBid({ ...IDLE, prefillTokensPerSec: RATE / 1.7 }, size, {
      ...working,
      overReserveS: 60,
    });
    assert.ok(slow.kind === 'bid' && slow.level === 1);
  }
});

test('running requests raise the quote, short answers more than long ones', () => {
  const quote = (running: number, answerTokens: number) => {
    const bid = decideBid({ ...IDLE, running, answerTokens }, 'short', working);
    return bid.kind === 'bid' ? bid.level : bid.reason;
  };
  assert.equal(quote(0, 30), 0);
  assert.equal(quote(1, 400), 0);
  assert.ok(Number(quote(4, 30)) > Number(quote(4, 400)));
});

test('every kind of load raises the estimate', () => {
  const base = estimateWait(paceOf(IDLE), 1000);
  assert.ok(estimateWait(paceOf({ ...IDLE, prefillBacklogTokens: 30_000 }), 1000) > base);
  assert.ok(estimateWait(paceOf({ ...IDLE, prefillTokensPerSec: 5000 }), 1000) > base);
  assert.ok(estimateWait(paceOf({ ...IDLE, running: 1, kvUse: 0.95 }), 1000) > base);
  assert.ok(estimateWait(paceOf({ ...IDLE, errorRate: 0.3 }), 1000) > base);
});

test('the prefill backlog shrinks with time until the head is overdue, and then grows', () => {
  const at = (elapsedS: number) =>
    prefillAheadS({ ...IDLE, prefillBacklogTokens: 20_000, head: { tokens: 10_000, elapsedS } });
  assert.ok(at(0) === 2 && at(0.5) === 1.5 && at(1) === 1);
  assert.ok(at(2) > 2 && at(4) > at(2), 'an engine that takes twice as long is not trusted with the rest');
});

test('over the reserve price a worker does not bid until the price has risen', () => {
  const behind = { ...IDLE, prefillBacklogTokens: 30_000 };
  const waits = decideBid(behind, 'long', working);
  assert.ok(waits.reason === 'over_reserve' && waits.validS > 0);
  const later = decideBid(behind, 'long', { ...working, overReserveS: 30 });
  assert.ok(later.kind === 'bid' && later.overReserve);
});

test('levels rise with the ratio, stay within 0–9, and take odd numbers', () => {
  let last = 0;
  for (let ratio = 0.1; ratio < 1000; ratio *= 1.2) {
    const level = levelOf(ratio);
    assert.ok(level >= last && level <= 9);
    last = level;
  }
  assert.equal(last, 9);
  assert.equal(levelOf(Number.NaN), 0);
  assert.equal(levelOf(Number.POSITIVE_INFINITY), 9);
});

test('a worker without room, health or time does not bid', () => {
  assert.equal(decideBid({ ...IDLE, running: 64 }, 'short', working).reason, 'full');
  assert.equal(decideBid({ ...IDLE, running: 1, kvUse: 0.99 }, 'short', working).reason, 'kv_full');
  const tight = { ...IDLE, running: 1, kvFreeTokens: 6000 };
  assert.equal(decideBid(tight, 'medium', { ...working, meanTokens: 8000 }).reason, 'kv_full');
  assert.equal(decideBid(tight, 'short', working).kind, 'bid');
  assert.equal(decideIdleCapacityBid(tight, 'background', working).reason, 'kv_full');
  assert.equal(decideBid(IDLE, 'short', { ...working, sick: true }).reason, 'sick');
  assert.equal(decideBid(IDLE, 'short', { ...working, draining: true }).reason, 'draining');
});

test('an engine that runs nothing gets work, whatever its cache gauge says', () => {
  for (const size of SIZE_CLASSES)
    assert.deepEqual(decideBid({ ...IDLE, kvUse: 1 }, size, working), decideBid(IDLE, size, working));
  assert.equal(decideIdleCapacityBid({ ...IDLE, kvUse: 1 }, 'batch', working).kind, 'bid');
});

test('a bid promises no more than the room, nor more than its level stays true for', () => {
  for (let running = 0; running < 64; running++) {
    const bid = decideBid({ ...IDLE, running }, 'short', { ...working, meanTokens: 1 });
    assert.ok(bid.kind === 'bid' && bid.batch >= 1 && bid.batch <= 64 - running);
  }
  const heavy = decideBid(IDLE, 'long', { ...working, meanTokens: 24_000 });
  assert.ok(heavy.kind === 'bid' && heavy.batch === 1);
});

test('lower lanes get idle capacity', () => {
  const half = { ...IDLE, running: 32 };
  assert.equal(decideIdleCapacityBid(half, 'batch', working).reason, 'full');
  assert.equal(decideIdleCapacityBid(half, 'background', working).kind, 'bid');
  const busy = { ...IDLE, prefillBacklogTokens: 50_000 };
  assert.equal(decideIdleCapacityBid(busy, 'batch', working).reason, 'over_reserve');
});

test('size classes meet at their limits, and the ideal wait has a floor', () => {
  assert.deepEqual(
    [0, 4096, 4097, 16_384, 16_385].map(tokens => sizeClassOf(tokens)),
    ['short', 'short', 'medium', 'medium', 'long'],
  );
  assert.ok(idealWait(1000, 1e12) > 0);
});

test('a learned rate follows a change of speed within a few long requests', () => {
  let rate = 20_000;
  for (let i = 0; i < 8; i++) rate = learnRate(rate, 4000, 1, 1e6);
  assert.ok(rate < 6000);
  assert.equal(learnRate(rate, 0, 1, 1e6), rate);
  assert.equal(learnRate(rate, 10, 0, 1e6), rate);
});

test('a rate learned from tiny first prompts is corrected by the first long one', () => {
  let rate = 0;
  let seen = 0;
  const see = (tokens: number, seconds: number) => {
    rate = learnRate(rate, tokens, seconds, seen);
    seen += tokens;
  };
  for (let i = 0; i < 20; i++) see(20, 0.02);
  assert.equal(Math.round(rate), 1000);
  see(4000, 0.4);
  assert.ok(rate > 8000, `${rate}`);
});

test('typical lengths scale with the boundaries of the classes', () => {
  assert.deepEqual(typicalTokens(DEFAULT_BOUNDARIES), TYPICAL_TOKENS);
  const typical = typicalTokens({ short: 1024, medium: 8192 });
  assert.deepEqual(typical, { short: 250, medium: 4000, long: 12_000 });
  const busy = { ...IDLE, prefillBacklogTokens: 2000, head: { tokens: 2000, elapsedS: 0 } };
  const level = (tuning: BidTuning) => {
    const bid = decideBid(busy, 'long', working, tuning);
    return bid.kind === 'bid' ? bid.level : bid.reason;
  };
  assert.equal(level(DEFAULT_TUNING), 0);
  assert.notEqual(level({ ...DEFAULT_TUNING, typical: { ...typical, long: 3000 } }), 0);
});

test('boundaries are two rising whole numbers', () => {
  assert.deepEqual(parseBoundaries('1024, 8192'), { short: 1024, medium: 8192 });
  for (const text of ['', '1024', '8192,1024', '5,5', '0,10', '1.5,10', '1,2,3', 'a,b', '1e3,2e3x'])
    assert.throws(() => parseBoundaries(text), RangeError, text);
});
