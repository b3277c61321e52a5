import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_TUNING } from './bid.ts';
import { decideIdleCapacityBid } from './idle-capacity.ts';
import { idealWait } from './level.ts';
import { mostDelayS } from './work-conservation.ts';
import { type BidMemory, decideBids, newBidMemory, WORK_KINDS, type WorkerStanding } from './worker-bids.ts';

const RATE = 10_000;
/** A worker with room whose engine has computed one short prompt for far too long. */
const held: WorkerStanding = {
  load: {
    prefillBacklogTokens: 10,
    head: { tokens: 10, elapsedS: 20 },
    prefillTokensPerSec: RATE,
    running: 1,
    slots: 64,
    kvUse: null,
    kvFreeTokens: null,
    errorRate: 0,
    answerTokens: 200,
  },
  sick: false,
  draining: false,
  fleetTokensPerSec: RATE,
};
const SHORT = WORK_KINDS.slice(0, 1);

function renew(memory: BidMemory, now: number, standing = held) {
  const round = decideBids(SHORT, standing, memory, DEFAULT_TUNING, now);
  const [decision] = round.decisions;
  assert.ok(decision);
  return { decision, ...round };
}

test('the delay is the ideal wait, within its limits', () => {
  assert.equal(mostDelayS(0.4), 0.4);
  assert.equal(mostDelayS(0.001), 0.05);
  assert.equal(mostDelayS(30), 2);
});

test('a worker with an overdue prompt bids again once the delay is over', () => {
  const mostMs = 1000 * mostDelayS(idealWait(DEFAULT_TUNING.typical.short, RATE));
  const first = renew(newBidMemory(DEFAULT_TUNING), 1000);
  assert.equal(first.decision.reason, 'over_reserve');
  assert.ok(first.validS * 1000 <= mostMs, 'it is told when to look again');
  const later = renew(first.memory, 1000 + mostMs);
  assert.ok(later.decision.kind === 'bid' && later.decision.level === 9 && later.decision.batch === 1);
});

test('an overdue prompt alone does not keep idle capacity from the lower lanes, prompts behind it do', () => {
  const { load } = held;
  for (const lane of ['background', 'batch'] as const) {
    assert.equal(decideIdleCapacityBid(load, lane, held).kind, 'bid');
    const behind = { ...load, prefillBacklogTokens: 5000 };
    assert.equal(decideIdleCapacityBid(behind, lane, held).reason, 'over_reserve');
  }
});
