import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALONE } from '../shares/node-shares.ts';
import { AdmissionDoor, type Patient, type PatientView } from './admission-door.ts';

interface Item extends Patient {
  readonly name: string;
}

const item = (name: string, patientUntil: number, owner = 'a'): Item => ({
  ...{ name, owner, kind: 'short', weight: 1, cost: 100, promptTokens: 100, patientUntil },
});

/** One worker that computes 100 tokens a second, and quotes no wait. */
const viewAt = (now: number): PatientView<Item> => ({
  ...{ now, node: ALONE, workers: 1, starts: () => 0, quotedS: 0, tokensPerSec: 100 },
});

/** A door with two requests on the way, and one begun a second for so long. */
function served(seconds: number): AdmissionDoor<Item> {
  const door = new AdmissionDoor<Item>();
  const never = Number.POSITIVE_INFINITY;
  for (let i = 0; i < seconds + 2; i++) door.arrive(item(`${i}`, never), 0);
  const sent: Item[] = [];
  const send = (now: number) => {
    for (let next = door.next(viewAt(now)); next !== null; next = door.next(viewAt(now))) sent.push(next);
  };
  send(0);
  for (let s = 1; s <= seconds; s++) {
    const next = sent.shift();
    assert.ok(next !== undefined);
    door.begun(next, s * 1000);
    send(s * 1000);
  }
  return door;
}

test('an empty door lets a request pass, and says that it is not busy', () => {
  const door = new AdmissionDoor<Item>();
  const first = item('first', 5000);
  assert.deepEqual(door.forecast(first, viewAt(0)), { isBusy: false, estimateS: 1 });
  assert.equal(door.passes(first, viewAt(0)), true);
  door.begun(first, 1000);
  assert.equal(door.isIdle, true);
});

test('what waits is ahead of who comes, at the pace at which it was begun', () => {
  const door = served(20);
  for (let i = 0; i < 10; i++) door.arrive(item(`w${i}`, 1e9), 20_000);
  const { isBusy, estimateS } = door.forecast(item('last', 1e9), viewAt(20_000));
  assert.equal(isBusy, true);
  assert.ok(estimateS > 8 && estimateS < 16, String(estimateS));
  const other = door.forecast(item('other', 1e9, 'b'), viewAt(20_000)).estimateS;
  assert.ok(other < estimateS - 5, 'another project has its turn sooner');
});

test('while a queue stands, who can no longer be in time leaves, and makes room for those behind', () => {
  const door = served(20);
  const now = 22_000;
  const dead = item('dead', now + 500);
  const behind = item('behind', now + 60_000);
  door.arrive(dead, 20_000);
  door.arrive(behind, 20_000);
  assert.deepEqual(door.lost(viewAt(20_500), true), [], 'it has passed quickly a moment ago');
  const lost = door.lost(viewAt(now), true);
  assert.deepEqual(
    lost.map(({ name }) => name),
    ['dead'],
  );
  for (const each of lost) door.leave(each);
  assert.deepEqual(door.lost(viewAt(now), true), []);
  assert.equal(door.waiting.size, 1);
});

test('who stands so far behind that it is hopeless leaves at once, and not with the quick look', () => {
  const door = served(20);
  const now = 22_000;
  for (let i = 0; i < 40; i++) door.arrive(item(`w${i}`, now + 10_000), 20_500);
  assert.deepEqual(door.lost(viewAt(now), false), []);
  const lost = door.lost(viewAt(now), true);
  assert.ok(lost.length > 20 && lost.length < 38, `${lost.length}`);
  assert.equal(lost.at(-1)?.name, 'w39');
});

test('what is on its way is lost once its own prompt would take too long', () => {
  const door = new AdmissionDoor<Item>();
  const [sent, hasty] = [item('sent', 7000), item('hasty', 500)];
  assert.equal(door.passes(sent, viewAt(0)) && door.passes(hasty, viewAt(0)), true);
  assert.deepEqual(door.lostOnTheWay(viewAt(3900)), [], 'a worker may be about to begin them');
  assert.deepEqual(door.lostOnTheWay(viewAt(4100)), [hasty]);
  assert.deepEqual(door.lostOnTheWay(viewAt(6100)), [sent, hasty]);
  door.leave(sent);
  door.leave(hasty);
  assert.deepEqual(door.lostOnTheWay(viewAt(6100)), []);
});

test('many that come, are begun or leave in any order leave nothing behind', () => {
  const door = new AdmissionDoor<Item>();
  let seed = 7;
  const rand = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const open: Item[] = [];
  const sent = new Set<Item>();
  for (let now = 0; now < 60_000; now += 50) {
    const next = item(`${now}`, now + 5000 * rand(), rand() < 0.5 ? 'a' : 'b');
    open.push(next);
    if (door.passes(next, viewAt(now))) sent.add(next);
    else door.arrive(next, now);
    for (let one = door.next(viewAt(now)); one !== null; one = door.next(viewAt(now))) sent.add(one);
    const [ended] = rand() < 0.7 ? open.splice(Math.floor(rand() * open.length), 1) : [];
    if (ended === undefined) continue;
    if (sent.has(ended) && rand() < 0.5) door.begun(ended, now);
    else door.leave(ended);
  }
  for (const each of open) door.leave(each);
  assert.equal(door.isIdle, true);
  const { isBusy, estimateS } = door.forecast(item('after', 1e9), viewAt(60_000));
  assert.deepEqual([isBusy, estimateS], [false, 1]);
});
