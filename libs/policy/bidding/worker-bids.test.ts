import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IDLE, RATE } from '../worker-load.fixture.ts';
import { DEFAULT_TUNING } from './bid.ts';
import {
  type BidMemory,
  decideBids,
  forgetHandedBack,
  inTurn,
  newBidMemory,
  rememberHandedBack,
  rememberTaken,
  renewalPauseMs,
  WORK_KINDS,
  type WorkerStanding,
} from './worker-bids.ts';
import type { WorkerLoad } from './worker-load.ts';

const full: WorkerLoad = { ...IDLE, running: 64 };
/** Five seconds of prompts, of which one has just begun: too late for every class. */
const late: WorkerLoad = { ...IDLE, prefillBacklogTokens: 50_000, head: { tokens: 1000, elapsedS: 0 } };
const fresh = newBidMemory(DEFAULT_TUNING);

function standing(load: WorkerLoad, state: Partial<WorkerStanding> = {}): WorkerStanding {
  return { load, sick: false, draining: false, fleetTokensPerSec: RATE, ...state };
}

function decide(load: WorkerLoad, memory: BidMemory, now: number, state: Partial<WorkerStanding> = {}) {
  return decideBids(WORK_KINDS, standing(load, state), memory, DEFAULT_TUNING, now);
}

function kindsOf({ decisions }: ReturnType<typeof decide>): string[] {
  return decisions.map(({ kind, reason }) => (kind === 'bid' ? kind : reason));
}

test('an idle worker bids for every kind of work, and its bids hold until something happens', () => {
  const round = decide(IDLE, fresh, 0);
  assert.deepEqual(
    kindsOf(round),
    WORK_KINDS.map(() => 'bid'),
  );
  assert.equal(round.validS, Number.POSITIVE_INFINITY);
  assert.equal(round.memory, fresh);
});

test('a worker that is sick, draining or full bids for nothing', () => {
  assert.deepEqual(kindsOf(decide(IDLE, fresh, 0, { sick: true })), [
    'sick',
    'sick',
    'sick',
    'sick',
    'sick',
    'full',
  ]);
  const draining = ['draining', 'draining', 'draining', 'draining', 'draining', 'full'];
  assert.deepEqual(kindsOf(decide(IDLE, fresh, 0, { draining: true })), draining);
  assert.deepEqual(
    kindsOf(decide(full, fresh, 0)),
    WORK_KINDS.map(() => 'full'),
  );
});

test('a worker that was full leaves its room to interactive work first, and says when lower lanes get the rest', () => {
  const { memory } = decide(full, fresh, 1000);
  assert.equal(memory.fullAt, 1000);
  const soon = decide({ ...IDLE, running: 20 }, memory, 1005);
  assert.deepEqual(kindsOf(soon), ['bid', 'bid', 'bid', 'full', 'full', 'bid']);
  assert.equal(soon.validS, 0.015);
  assert.deepEqual(
    kindsOf(decide({ ...IDLE, running: 20 }, memory, 1020)),
    WORK_KINDS.map(() => 'bid'),
  );
});

test('a class is over its reserve price from the first round that says so to the first that does not', () => {
  const over = decide(late, fresh, 1000);
  assert.deepEqual(kindsOf(over).slice(0, 3), ['over_reserve', 'over_reserve', 'over_reserve']);
  assert.deepEqual(over.memory.overSince, { short: 1000, medium: 1000, long: 1000 });
  const still = decide(late, over.memory, 1001);
  assert.equal(still.memory, over.memory, 'nothing new to remember');
  assert.deepEqual(decide(IDLE, still.memory, 2000).memory.overSince, fresh.overSince);
});

test('while only the risen price lets a worker bid, the price keeps rising', () => {
  const { memory } = decide(late, fresh, 0);
  const risen = decide(late, memory, 60_000);
  const [short] = risen.decisions;
  assert.equal(short?.kind === 'bid' && short.overReserve, true);
  assert.equal(risen.memory.overSince.short, 0);
});

test('a round is valid until the first of its bids is not', () => {
  const round = decide(late, fresh, 0);
  const each = round.decisions.flatMap(bid => ('validS' in bid ? [bid.validS] : []));
  assert.equal(round.validS, Math.min(...each));
  assert.ok(round.validS > 0 && round.validS < 5);
});

test('bound work is offered half the room, whatever waits', () => {
  const bound = (load: WorkerLoad) =>
    decideBids([{ lane: 'bound', size: 'any' }], standing(load), fresh, DEFAULT_TUNING, 0);
  const batchOf = ([bid]: readonly { kind: string; batch?: number }[]) =>
    bid?.kind === 'bid' ? bid.batch : 0;
  assert.equal(batchOf(bound({ ...late, running: 60 }).decisions), 2);
  assert.equal(batchOf(bound({ ...IDLE, running: 63 }).decisions), 1);
  assert.equal(batchOf(bound(full).decisions), 0);
  assert.equal(batchOf(bound({ ...IDLE, running: 1, kvFreeTokens: 100 }).decisions), 0);
});

test('what is taken moves the mean of its class alone, and what is remembered besides stays', () => {
  const before = rememberHandedBack(decide(full, fresh, 5).memory, 'a', 7);
  const after = rememberTaken(before, 'medium', 9000);
  assert.deepEqual(after.meanTokens, { short: 1000, medium: 8100, long: 24_000 });
  assert.equal(after.fullAt, 5);
  assert.deepEqual(after.handedBack, [{ slot: 'a', since: 7 }]);
});

test('a consumer whose work was handed back for a second goes first, the longest waiting before others', () => {
  const slots = ['a', 'b', 'c'].map(id => ({ id }));
  const ids = (memory: BidMemory, now: number) =>
    inTurn(slots, memory, now)
      .map(({ id }) => id)
      .join('');
  let memory = rememberHandedBack(fresh, 'c', 0);
  memory = rememberHandedBack(memory, 'b', 100);
  assert.equal(rememberHandedBack(memory, 'c', 500), memory, 'since the first time');
  assert.equal(ids(memory, 999), 'abc');
  assert.equal(ids(memory, 1000), 'cab');
  assert.equal(ids(memory, 1100), 'cba');
  memory = forgetHandedBack(memory, 'c');
  assert.equal(ids(memory, 1100), 'bac');
  assert.equal(forgetHandedBack(memory, 'c'), memory);
  assert.equal(ids(rememberHandedBack(fresh, 'gone', 0), 1000), 'abc');
});

test('renewals are further apart where there are many pulls', () => {
  assert.equal(renewalPauseMs(6), 2);
  assert.equal(renewalPauseMs(100), 20);
});
