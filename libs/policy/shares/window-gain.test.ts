import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DispatchWindow } from './dispatch-window.ts';
import { WindowGain } from './window-gain.ts';

/** How an engine gets through what it has: so many side by side, each in so long. */
interface Engine {
  readonly sideBySide: number;
  readonly ms: number;
}

interface Item {
  readonly cost: number;
}

/** Requests begun a second by engines of which always more is wanted, and how many are on their way in the end. */
function paceOf(
  { sideBySide, ms }: Engine,
  seconds: number,
): { readonly perSecond: number; readonly size: number } {
  const window = new DispatchWindow<Item>();
  const gain = new WindowGain();
  const waiting: Item[] = [];
  const running = new Map<Item, number>();
  let begun = 0;
  for (let now = 0; now < 1000 * seconds; now += 5) {
    for (const [item, endsAt] of running) {
      if (endsAt > now) continue;
      running.delete(item);
      gain.begun(item.cost, window.begun(item, now) ?? 0, now);
      if (now >= 500 * seconds) begun++;
    }
    const of = { now, workers: 2, part: 1, share: 1, elsewhere: 0, paceElsewhere: 0 };
    while (window.hasRoom({ ...of, gain: gain.value }, () => 0)) {
      const item = { cost: 1 };
      window.sent(item, now);
      waiting.push(item);
    }
    while (running.size < sideBySide && waiting.length > 0)
      running.set(waiting.shift() ?? { cost: 1 }, now + ms);
  }
  return { perSecond: begun / (seconds / 2), size: window.size };
}

test('engines that compute many prompts side by side are not kept idle', () => {
  const { perSecond } = paceOf({ sideBySide: 200, ms: 1000 }, 240);
  assert.ok(perSecond > 150, `${perSecond} of 200`);
});

test('also where each takes as long as a request counts as being on its way', () => {
  const { perSecond } = paceOf({ sideBySide: 64, ms: 3000 }, 500);
  assert.ok(perSecond > 14, `${perSecond} of 21`);
});

test('at engines that compute them one after the other little is on the way, however long it goes on', () => {
  for (const seconds of [60, 600]) {
    const { perSecond, size } = paceOf({ sideBySide: 2, ms: 200 }, seconds);
    assert.ok(perSecond > 9.9, `${perSecond} of 10`);
    assert.ok(size <= 10, `${size} on the way`);
  }
});
