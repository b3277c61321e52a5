import assert from 'node:assert/strict';
import { test } from 'node:test';
import { costOf, type DoorView, FairDoor } from './fair-door.ts';
import type { Claimant } from './fair-queue.ts';
import { ALONE, nodeShare } from './node-shares.ts';

interface Asked extends Claimant {
  readonly id: number;
}

let ids = 0;
const ask = (owner: string, kind = 'short', weight = 1, cost = 1000): Asked => ({
  ...{ id: ++ids, owner, kind, weight, cost },
});

const view = (about: Partial<DoorView<Asked>> = {}): DoorView<Asked> => ({
  ...{ now: 0, node: ALONE, workers: 4, starts: () => 0 },
  ...about,
});

function pass(door: FairDoor<Asked>, of = view()): Asked[] {
  const sent: Asked[] = [];
  for (let next = door.next(of); next !== null; next = door.next(of)) sent.push(next);
  return sent;
}

test('what finds few on the way goes at once, in the order in which it came', () => {
  const door = new FairDoor<Asked>();
  const all = [ask('a'), ask('a'), ask('b')];
  for (const each of all) {
    door.arrive(each);
    assert.deepEqual(pass(door), [each]);
  }
  for (const each of all) door.begun(each, 1);
  assert.ok(door.isIdle);
});

test('where one owner floods, others are next as engines begin what is there', () => {
  const door = new FairDoor<Asked>();
  for (let i = 0; i < 1000; i++) door.arrive(ask('flood'));
  const onTheWay = pass(door);
  const other = ask('other');
  door.arrive(other);
  assert.deepEqual(pass(door), []);
  for (const each of onTheWay.slice(0, 2)) door.begun(each, 1);
  assert.ok(pass(door, view({ now: 1 })).includes(other));
});

test('with a backlog of each, what engines begin is shared by weight', () => {
  const door = new FairDoor<Asked>();
  const weights = { a: 1, b: 2, c: 1 };
  for (const [owner, weight] of Object.entries(weights))
    for (let i = 0; i < 400; i++) door.arrive(ask(owner, 'short', weight));
  const served: string[] = [];
  let onTheWay = pass(door);
  for (let now = 20; served.length < 400; now += 20) {
    const [first, ...rest] = onTheWay;
    if (first === undefined) break;
    door.begun(first, now);
    served.push(first.owner);
    onTheWay = [...rest, ...pass(door, view({ now }))];
  }
  const count = (owner: string) => served.filter(each => each === owner).length;
  assert.ok(
    Math.abs(count('b') - 200) <= 3 && Math.abs(count('a') - 100) <= 3,
    `${count('a')} ${count('b')}`,
  );
});

test('of an owner alone, one kind of work does not keep another back', () => {
  const door = new FairDoor<Asked>();
  for (let i = 0; i < 100; i++) door.arrive(ask('a', 'long', 1, 25_000));
  pass(door);
  const short = ask('a', 'short', 1, 500);
  door.arrive(short);
  assert.ok(pass(door, view({ now: 1 })).includes(short));
});

test('what leaves makes room, from wherever it was', () => {
  const door = new FairDoor<Asked>();
  const all = Array.from({ length: 20 }, () => ask('a'));
  for (const each of all) door.arrive(each);
  const [first] = pass(door);
  for (const each of all) if (each !== all.at(-1)) door.leave(each);
  assert.ok(first !== undefined);
  assert.deepEqual(pass(door), [all.at(-1)]);
  door.leave(all.at(-1) ?? first);
  assert.ok(door.isIdle);
});

test('nobody gets more for using several nodes than for using one', () => {
  const doors = [new FairDoor<Asked>(), new FairDoor<Asked>()] as const;
  for (let i = 0; i < 200; i++) {
    for (const door of doors) door.arrive(ask('both'));
    doors[0].arrive(ask('one'));
  }
  const [a, b] = doors.map(door => door.told(0));
  assert.ok(a !== undefined && b !== undefined);
  const [own, other] = [nodeShare(a, [b]), nodeShare(b, [a])];
  assert.deepEqual(
    [own.share, other.share, own.parts.get('both'), own.parts.get('one')],
    [0.75, 0.25, 0.5, undefined],
  );
  const sent = Array.from({ length: 60 }, () => pass(doors[0], view({ node: own, workers: 100 }))).flat();
  const ofOne = sent.filter(({ owner }) => owner === 'one').length;
  assert.ok(Math.abs(ofOne / sent.length - 2 / 3) < 0.05);
});

test('a request costs its prompt, and twice its answer as far as that is likely to get', () => {
  assert.deepEqual([costOf(1000, 100), costOf(1000, null), costOf(0, 8000)], [1200, 2024, 1025]);
});
