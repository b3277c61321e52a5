import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  afterReading,
  afterRefusal,
  newSlotMemory,
  type SlotMemory,
  type SlotReading,
} from './learned-slots.ts';
import { SlotMeter } from './slot-meter.ts';

const MOST = 128;
const CALM: SlotReading = { running: 0, waiting: 0, own: 0, fresh: 0, hasPrefill: false };

/**
 * A worker that always has work for an engine, second by second.
 * @param fits requests that the engine runs at once, at that second.
 */
function saturate(seconds: number, fits: (second: number) => number, start = newSlotMemory(MOST, null)) {
  let memory: SlotMemory = start;
  const slots: number[] = [];
  let queued = 0;
  for (let second = 0; second < seconds; second++) {
    const own = memory.slots;
    const running = Math.min(own, fits(second));
    if (own > running) queued++;
    const reading = { ...CALM, running, own, waiting: own - running };
    memory = afterReading(memory, reading, MOST, second * 1000);
    slots.push(memory.slots);
  }
  return { memory, slots, queued };
}

test('an engine without a limit of its own gets what the operator allows, one that tells its limit that', () => {
  assert.equal(newSlotMemory(MOST, null).slots, 128);
  assert.equal(newSlotMemory(MOST, 4).slots, 4);
  assert.equal(newSlotMemory(2, 4).slots, 2, "the operator's limit counts before the engine's");
});

for (const limit of [1, 4, 16, 100])
  test(`an engine that runs ${limit} at once is given ${limit} within seconds, and hardly ever more`, () => {
    const { slots, queued } = saturate(3600, () => limit);
    assert.ok(slots.slice(3, 9).every(each => each >= limit && each <= limit + 1));
    const last = slots.slice(-1800);
    assert.ok(last.filter(each => each === limit).length > 0.98 * last.length, 'no oscillation');
    assert.ok(last.every(each => each >= limit && each <= limit + 1));
    assert.ok(queued < 90, `something waited inside in ${queued} of 3600 s`);
  });

test('a limit that was raised is followed, however long the old one held', () => {
  const { slots } = saturate(3600, second => (second < 2400 ? 4 : 64));
  const raised = slots.findIndex((each, second) => second > 2400 && each >= 60);
  assert.ok(raised > 0 && raised - 2400 < 320);
  assert.ok(slots.slice(-60).every(each => each >= 63 && each <= 66));
});

test('a reading or two, or a queue behind prompts that are being computed, says nothing', () => {
  const start = newSlotMemory(MOST, null);
  const busy = { ...CALM, running: 3, own: 8, waiting: 5 };
  const once = afterReading(start, busy, MOST, 1000);
  const twice = afterReading(once, { ...busy, running: 4 }, MOST, 2000);
  assert.equal(twice.slots, MOST);
  assert.equal(afterReading(twice, busy, MOST, 3000).slots, 4, 'the most that ran in one of them');
  const calm = afterReading(twice, { ...busy, waiting: 0 }, MOST, 3000);
  assert.equal(afterReading(calm, busy, MOST, 4000).slots, MOST);
  let memory = start;
  for (let at = 0; at < 9000; at += 1000)
    memory = afterReading(memory, { ...busy, hasPrefill: true }, MOST, at);
  assert.equal(memory.slots, MOST);
  for (let at = 0; at < 9000; at += 1000) memory = afterReading(memory, { ...busy, fresh: 5 }, MOST, at);
  assert.equal(memory.slots, MOST, 'what has just come is about to be scheduled');
});

test('what is not used is not raised', () => {
  let memory = newSlotMemory(MOST, 4);
  for (let at = 0; at < 60_000; at += 1000)
    memory = afterReading(memory, { ...CALM, running: 2, own: 2 }, MOST, at);
  assert.equal(memory.slots, 4);
});

test('refusals for want of room count at once, and those of one burst as one failure', () => {
  let memory = newSlotMemory(MOST, null);
  for (let own = 12; own >= 5; own--) memory = afterRefusal(memory, own, 5000);
  assert.equal(memory.slots, 5);
  assert.equal(memory.pauseMs, 4000);
  assert.equal(afterRefusal(memory, 0, 9000).slots, 1, 'one may always be tried');
  const later = afterReading(memory, { ...CALM, running: null, waiting: null, own: 5 }, MOST, 9000);
  assert.equal(later.slots, 6);
});

test('calls of others take room, those of the worker that have just ended do not', () => {
  const meter = new SlotMeter(MOST);
  meter.told(8);
  for (const own of [1, 2, 3]) meter.begin(own, 500);
  meter.read({ running: 3, waiting: 0 }, 0, 0, 1000);
  assert.equal(meter.slots, 8, 'the gauge is a little late');
  meter.read({ running: 5, waiting: 0 }, 0, 0, 2000);
  assert.equal(meter.slots, 3);
  meter.read({ running: 5, waiting: 2 }, 0, 0, 3000);
  assert.equal(meter.slots, 1);
  meter.read({ running: 8, waiting: 4 }, 0, 0, 4000);
  assert.equal(meter.slots, 0);
  meter.read({ running: 0, waiting: 0 }, 0, 0, 5000);
  assert.equal(meter.slots, 8);
  meter.read({ running: null, waiting: null }, 3, 0, 6000);
  assert.equal(meter.slots, 8);
  meter.read({ running: 8, waiting: 0 }, 8, 0, 7000);
  assert.equal(meter.learned, 8, 'never more than the engine told');
});

test('a queue is one for slots where all that runs answers already', () => {
  const learnedWith = (running: number, unstarted: number) => {
    const meter = new SlotMeter(MOST);
    for (let at = 1000; at < 5000; at += 1000) meter.read({ running, waiting: 6 }, 10, unstarted, at);
    return meter.learned;
  };
  assert.equal(learnedWith(4, 6), 4, 'four answer, six have no slot');
  assert.equal(learnedWith(4, 7), MOST, 'three answer, one is computed, six wait for that one');
});
