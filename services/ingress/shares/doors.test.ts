import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DoorTold } from '@penstock/policy';
import { type DoorClaim, Doors } from './doors.ts';

interface Made {
  readonly budgetBytes?: number;
  readonly others?: readonly DoorTold[];
}

/** The doors of a node with one worker that says of no room: two requests are on their way at once. */
function startDoors({ budgetBytes = 1e6, others = [] }: Made = {}) {
  let nowMs = 0;
  let ids = 0;
  let waitS = 0;
  const turns: string[] = [];
  const waited: number[] = [];
  const told: ReadonlyMap<string, DoorTold>[] = [];
  const doors = new Doors({
    fleet: {
      ...{ workersOf: () => 1, startsNow: () => 0, waitAt: () => waitS },
      ...{ waitS: () => 0, meanTokensPerSec: () => 100 },
    },
    others: { of: () => others, tell: all => void told.push(all) },
    clock: { monotonic: () => nowMs },
    budgetBytes,
    onWaited: (_slug, ms) => waited.push(ms),
    onEstimated: () => {},
  });
  doors.whenTurn(id => turns.push(id));
  const claim = (owner: string, some: Partial<DoorClaim> = {}): DoorClaim => ({
    ...{ id: `${owner}${ids++}`, slug: 'm', owner, kind: 'short', weight: 1, cost: 100 },
    ...{
      promptTokens: 10,
      bytes: 10,
      arrivedAt: nowMs,
      patientUntil: Number.POSITIVE_INFINITY,
      estimateS: null,
    },
    ...some,
  });
  /** Two that are on their way, so that nothing more is. */
  const fill = () => {
    const sent = [claim('x'), claim('x')];
    for (const each of sent) assert.equal(doors.arrive(each), null);
    return sent as [DoorClaim, DoorClaim];
  };
  return {
    ...{ doors, turns, waited, told, claim, fill },
    quote: (s: number) => (waitS = s),
    pass: (ms: number) => {
      nowMs += ms;
      doors.look();
    },
  };
}

test('what finds no backlog goes at once; the rest waits, and is told why', () => {
  const { doors, claim, fill, turns } = startDoors();
  fill();
  assert.equal(doors.arrive(claim('a')), 'no_room');
  assert.equal(doors.arrive(claim('a')), 'over_share');
  assert.equal(doors.arrive(claim('b')), 'no_room');
  assert.deepEqual([[...doors.waiting()], turns], [[['m', 3]], []]);
});

test('as engines begin, projects have their turns in shares, and how long each waited is told', () => {
  const { doors, claim, fill, turns, waited, pass } = startDoors();
  const sent = fill();
  const waiting = ['a', 'a', 'a', 'b'].map(owner => claim(owner));
  for (const each of waiting) doors.arrive(each);
  pass(50);
  doors.begun(sent[0]);
  doors.begun(sent[1]);
  assert.deepEqual(turns.slice(0, 2), ['a2', 'b5'], 'b is not behind all of a');
  assert.ok(waited.length >= 2 && waited.every(ms => ms === 50));
});

test('queues of other models have doors of their own', () => {
  const { doors, claim, fill } = startDoors();
  fill();
  assert.equal(doors.arrive(claim('a', { slug: 'other' })), null);
});

test('whoever leaves gives back what it had, wherever it was, once', () => {
  const { doors, claim, fill, turns } = startDoors({ budgetBytes: 100 });
  const [first] = fill();
  const one = claim('a', { bytes: 60 });
  doors.arrive(one);
  assert.equal(doors.heldBytes, 60);
  assert.throws(() => doors.assertRoom('a', 30), { code: 'queue_full' });
  doors.assertRoom('b', 20);
  doors.leave(one);
  doors.leave(one);
  assert.deepEqual([doors.heldBytes, [...doors.waiting()]], [0, [['m', 0]]]);
  doors.assertRoom('a', 30);
  const next = claim('b');
  doors.arrive(next);
  doors.leave(first);
  assert.deepEqual(turns, [next.id], 'what was on its way makes room, too');
  doors.leave(first);
  doors.leave(next);
  assert.equal(doors.heldBytes, 0);
});

test('an answer in one piece counts as begun when its worker was likely to be through with the prompt', () => {
  const { doors, claim, fill, turns, quote, pass } = startDoors();
  const [first] = fill();
  doors.arrive(claim('a'));
  quote(0.5);
  doors.taken(first, 'w-1', true);
  pass(100);
  pass(400);
  assert.deepEqual(turns, []);
  pass(100);
  assert.deepEqual(turns, ['a2']);
});

test('what begins only after seconds keeps nothing else back', () => {
  const { doors, claim, fill, turns, pass } = startDoors();
  fill();
  doors.arrive(claim('a'));
  pass(2900);
  assert.deepEqual(turns, []);
  pass(200);
  assert.deepEqual(turns, ['a2']);
});

test('a node that closes lets nobody through any more, and keeps nobody waiting', () => {
  const { doors, claim, fill, turns } = startDoors();
  const [first] = fill();
  doors.arrive(claim('a'));
  doors.close();
  doors.leave(first);
  assert.deepEqual(turns, []);
  assert.equal(doors.arrive(claim('b')), null);
});

test('what waits and what is on its way is told, and a door at which nothing is goes', () => {
  const { doors, claim, fill, told } = startDoors();
  const sent = fill();
  const one = claim('a', { weight: 3 });
  doors.arrive(one);
  doors.tick();
  const door = told.at(-1)?.get('m') ?? assert.fail();
  assert.deepEqual(Object.fromEntries(door.waiting), { a: { weight: 3, waiting: 1 } });
  assert.deepEqual(Object.fromEntries(door.onTheWay), { short: 2 });
  for (const each of [...sent, one]) doors.leave(each);
  doors.tick();
  assert.equal(told.at(-1)?.size, 0);
});

test('beside what waits at another node, this one has its part', () => {
  const waiting = new Map([['a', { weight: 1, waiting: 9 }]]);
  const { doors, claim } = startDoors({
    others: [{ waiting, onTheWay: new Map([['short', 2]]), pace: new Map() }],
  });
  const outcomes = Array.from({ length: 4 }, () => doors.arrive(claim('b')));
  assert.deepEqual(outcomes, [null, 'no_room', 'over_share', 'over_share']);
});

test('who is told to leave is told once, though each that leaves lets others pass', () => {
  const { doors, claim, fill, pass } = startDoors();
  const sent = fill();
  const lost: string[] = [];
  doors.whenLost(each => {
    lost.push(each.id);
    doors.leave(each);
  });
  const waiting = Array.from({ length: 4 }, () => claim('a', { patientUntil: 2500 }));
  for (const each of waiting) doors.arrive(each);
  pass(1000);
  for (const each of sent) doors.begun(each);
  pass(1400);
  pass(200);
  assert.equal(new Set(lost).size, lost.length);
  assert.ok(lost.length >= 2, `${lost.length}`);
});
