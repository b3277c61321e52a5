import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusals } from './refusals.ts';
import { SlotMeter } from './slot-meter.ts';

const MOST = 128;
const STEP_MS = 10;
/** Before a refused request is in the queue again. */
const PAUSE_MS = 1000;

interface Call {
  readonly id: string;
  readonly answerMs: number;
}

/**
 * A worker and its queue before an engine that has no gauges and refuses what it does not run.
 * @param accepts whether it takes a request beside so many.
 */
function play(accepts: (call: Call, running: number) => boolean) {
  const meter = new SlotMeter(MOST);
  const queue: Call[] = [];
  const paused: { call: Call; until: number }[] = [];
  const running: { call: Call; until: number }[] = [];
  const waitedMs = new Map<string, number>();
  const refusals: string[] = [];
  const state = { now: 0, last: 0 };
  const add = (id: string, answerMs: number) => {
    queue.push({ id, answerMs });
    waitedMs.set(id, 0);
  };
  /** What comes of the queue at one moment is inside before the first of it is refused. */
  const take = () => {
    while (queue.length > 0 && running.length < meter.slots) {
      const before = running.length;
      const calls = queue.splice(0, meter.slots - before);
      for (const [n, call] of calls.entries()) meter.asked(call.id, before + n, state.now);
      let inside = before + calls.length;
      const isTaken = calls.map(call => {
        const isIn = accepts(call, running.length);
        if (isIn) running.push({ call, until: state.now + call.answerMs });
        return isIn;
      });
      for (const [n, call] of calls.entries()) {
        if (isTaken[n]) continue;
        refusals.push(call.id);
        meter.refused(call.id, --inside, state.now);
        paused.push({ call, until: state.now + PAUSE_MS });
      }
      for (const [n, call] of calls.entries()) if (isTaken[n]) meter.taken(call.id);
    }
  };
  const step = () => {
    state.now += STEP_MS;
    for (const each of running.filter(({ until }) => until <= state.now)) {
      running.splice(running.indexOf(each), 1);
      meter.left(each.call.id);
    }
    for (const each of paused.filter(({ until }) => until <= state.now)) {
      paused.splice(paused.indexOf(each), 1);
      queue.unshift(each.call);
    }
    take();
    for (const { id } of queue) waitedMs.set(id, (waitedMs.get(id) ?? 0) + STEP_MS);
    if (state.now % 1000 === 0) meter.read({ running: null, waiting: null }, running.length, 0, state.now);
  };
  return { meter, add, running, queue, refusals, waitedMs, state, step };
}

for (const limit of [1, 4, 16])
  test(`an engine that refuses more than ${limit} is known after one burst, and seldom tried`, () => {
    const sim = play((_call, running) => running < limit);
    let n = 0;
    for (; n < 2 * MOST; n++) sim.add(`${n}`, 300);
    sim.step();
    assert.equal(sim.meter.learned, limit);
    const ofBurst = sim.refusals.length;
    for (let i = 0; i < 60_000; i++) {
      while (sim.queue.length < limit) sim.add(`${n++}`, 300);
      sim.step();
      assert.ok(sim.meter.learned <= limit + 1);
      assert.equal(sim.running.length, limit, 'it is never left with a free slot');
    }
    assert.ok(sim.refusals.length - ofBurst < 60, `${sim.refusals.length - ofBurst} in ten minutes`);
  });

test('the one request too many says nothing, however often; the next one does', () => {
  const sim = play((_call, running) => running < 4);
  for (let n = 0; n < 5; n++) sim.add(`${n}`, 60_000);
  for (let i = 0; i < 500; i++) sim.step();
  assert.deepEqual(new Set(sim.refusals), new Set(['4']));
  assert.equal(sim.meter.learned, MOST);
  sim.add('5', 60_000);
  sim.step();
  assert.equal(sim.meter.learned, 4);
});

test('one request that is always refused costs no other anything', () => {
  const sim = play(({ id }) => id !== 'bad');
  for (let n = 0; n < 3; n++) sim.add(`long ${n}`, 600_000);
  sim.add('bad', 0);
  for (let i = 0; i < 30_000; i++) {
    if (i % 200 === 0) sim.add(`other ${i}`, 500);
    sim.step();
    assert.equal(sim.meter.learned, MOST);
  }
  assert.ok([...sim.waitedMs].every(([id, ms]) => id === 'bad' || ms === 0));
  assert.ok(sim.refusals.length > 100, 'it is still tried');
});

test('nor do several, after the pause that two new ones in a row can make', () => {
  const sim = play(({ id }) => !id.startsWith('bad'));
  for (let n = 0; n < 3; n++) sim.add(`long ${n}`, 600_000);
  for (let n = 0; n < 5; n++) sim.add(`bad ${n}`, 0);
  sim.step();
  assert.equal(sim.meter.learned, 3);
  for (let i = 0; i < 30_000; i++) {
    if (i % 200 === 0) sim.add(`other ${i}`, 500);
    sim.step();
  }
  const late = [...sim.waitedMs].filter(([id, ms]) => id.startsWith('other') && ms > 0);
  assert.ok(late.length <= 2 && late.every(([, ms]) => ms <= 3000), JSON.stringify(late));
});

test('new ones time and again cost nothing while others get in between', () => {
  const sim = play(({ id }) => !id.startsWith('bad'));
  for (let n = 0; n < 3; n++) sim.add(`long ${n}`, 600_000);
  for (let i = 0; i < 30_000; i++) {
    if (i % 200 === 0) sim.add(`bad ${i}`, 0);
    if (i % 200 === 100) sim.add(`other ${i}`, 500);
    sim.step();
    assert.equal(sim.meter.learned, MOST);
  }
});

test('the slots are back at once when a request gets in that was asked meanwhile', () => {
  const meter = new SlotMeter(MOST);
  meter.refused('bad', 3, 0);
  meter.asked('good', 3, 10);
  meter.refused('worse', 4, 20);
  assert.equal(meter.learned, 4);
  meter.taken('good');
  assert.equal(meter.learned, MOST);
  meter.refused('bad', 3, 1000);
  meter.refused('new', 3, 1000);
  assert.equal(meter.learned, MOST, 'what is held against a request stays so');
});

test('an answer that says nothing until it is whole has got in when it was not refused for a second', () => {
  const meter = new SlotMeter(MOST);
  meter.refused('bad', 3, 0);
  meter.asked('good', 3, 10);
  meter.refused('worse', 4, 20);
  meter.read({ running: null, waiting: null }, 4, 1, 900);
  assert.equal(meter.learned, 4);
  meter.read({ running: null, waiting: null }, 4, 1, 1900);
  assert.equal(meter.learned, MOST);
});

test('what came after a refused request found fewer inside than was thought', () => {
  const refusals = new Refusals();
  assert.equal(refusals.refused('first', 3, 0), false);
  refusals.begun('second', 3, 10);
  refusals.begun('third', 4, 10);
  assert.equal(refusals.refused('second', 4, 20), true);
  assert.equal(refusals.taken('third'), true, 'as the fourth');
  refusals.begun('fourth', 2, 30);
  refusals.begun('fifth', 3, 30);
  assert.equal(refusals.refused('sixth', 3, 25), false);
  refusals.left('fourth');
  assert.equal(refusals.refused('fourth', 3, 40), true);
});

test('many that were refused before say that there is no room, until one gets in', () => {
  const refusals = new Refusals();
  const ids = Array.from({ length: 8 }, (_, n) => `${n}`);
  for (const id of ids) refusals.refused(id, 4, 0);
  const again = ids.map(id => refusals.refused(id, 4, 2000));
  assert.deepEqual(again, [false, false, false, false, false, false, false, true]);
  refusals.begun('other', 4, 5000);
  assert.equal(refusals.taken('other'), true);
  assert.ok(ids.every(id => !refusals.refused(id, 4, 9000)));
});

test('calls of others are inside too', () => {
  const meter = new SlotMeter(MOST);
  meter.read({ running: 5, waiting: 0 }, 3, 0, 1000);
  meter.refused('a', 3, 1500);
  meter.refused('b', 3, 1500);
  assert.equal(meter.learned, 5);
  assert.equal(meter.slots, 3);
});
