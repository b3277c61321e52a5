import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DispatchWindow, startsNow, WAY_S, type WindowOf } from './dispatch-window.ts';

const NOTHING = () => 0;

function of(about: Partial<WindowOf>): WindowOf {
  return { now: 0, workers: 8, part: 1, share: 1, elsewhere: 0, paceElsewhere: 0, gain: 1, ...about };
}

/** How many go. */
function fill(window: DispatchWindow<number>, about: WindowOf, starts = NOTHING, from = 0): number {
  let sent = 0;
  for (; sent < 1000 && window.hasRoom(about, starts); sent++) window.sent(from + sent, about.now);
  return sent;
}

test('a request for each worker and a few beside are on the way, and two where there is none', () => {
  assert.equal(fill(new DispatchWindow(), of({})), 10);
  assert.equal(fill(new DispatchWindow(), of({ workers: 0 })), 2);
  assert.equal(fill(new DispatchWindow(), of({ part: 1 / 2 })), 5);
  assert.equal(fill(new DispatchWindow(), of({ gain: 2 })), 20);
});

test('what the fleet would begin at once goes beside, until something has been on its way for long', () => {
  const window = new DispatchWindow<number>();
  assert.equal(
    fill(window, of({}), () => 100),
    110,
  );
  assert.equal(
    fill(window, of({ now: 501 }), () => 1000),
    0,
  );
});

test('what is begun makes room, and lets more be on the way the faster it comes', () => {
  const window = new DispatchWindow<number>();
  fill(window, of({}));
  for (let i = 0; i < 8; i++) window.begun(i, 10);
  assert.equal(fill(window, of({ now: 10 }), NOTHING, 100), 8 + 8 * WAY_S);
});

test('what an engine does not begin in three seconds keeps nothing else back', () => {
  const window = new DispatchWindow<number>();
  fill(window, of({}));
  assert.equal(fill(window, of({ now: 2900 }), NOTHING, 100), 0);
  assert.equal(fill(window, of({ now: 3100 }), NOTHING, 100), 10);
});

test('of several nodes each has its share on the way, and what others leave of theirs', () => {
  assert.equal(fill(new DispatchWindow(), of({ share: 0.5 })), 5);
  assert.equal(fill(new DispatchWindow(), of({ share: 1, elsewhere: 3 })), 7);
  assert.equal(fill(new DispatchWindow(), of({ share: 1, elsewhere: 50 })), 5, 'never less than half');
});

test('a share of less than one request is one request, with pauses', () => {
  const window = new DispatchWindow<number>();
  const share = of({ workers: 4, share: 0.1 });
  assert.equal(fill(window, share), 1);
  window.begun(0, 100);
  window.left(0);
  assert.equal(fill(window, { ...share, now: 110 }), 0);
  assert.equal(fill(window, { ...share, now: 400 }, NOTHING, 1), 1);
});

test('a worker begins at once what it has slots for and computes meanwhile', () => {
  const worker = { slots: 64, running: 60, waitS: 0, tokensPerSec: 20_000 };
  assert.deepEqual(
    [
      startsNow(worker, 100),
      startsNow({ ...worker, running: 0 }, 100),
      startsNow({ ...worker, running: 0 }, 24_000),
      startsNow({ ...worker, waitS: 1 }, 100),
      startsNow({ ...worker, tokensPerSec: 0 }, 100),
      startsNow({ ...worker, running: 70 }, 100),
    ],
    [4, 50, 1, 0, 4, 0],
  );
});
