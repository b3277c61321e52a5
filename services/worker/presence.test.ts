import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readHeartbeat } from '@penstock/protocol';
import { MemoryWorkQueue } from '@penstock/transport/memory';
import { Presence } from './presence.ts';

const VITALS = {
  slots: 8,
  ...{ models: [], waitS: 0.5, tokensPerSec: 9000, load: 0.25 },
  ...{ cacheTokens: 77, cacheCapacity: null },
  report: { running: 2, kvUse: 0.5, errorRate: 0, outputTokens: 40, bids: {} },
};

function startPresence(isWell: () => boolean = () => true) {
  const control = new MemoryWorkQueue({ now: () => 0 });
  const presence = new Presence({
    ...{ worker: 'w-1', incarnation: 'p1', region: 'eu', shard: 2, control },
    vitals: () => ({ ...VITALS, trouble: isWell() ? null : 'engine_sick' }),
  });
  const beats = () => control.sent.items.map(({ payload }) => readHeartbeat(payload, 'w-1'));
  return { presence, control, beats };
}

test('a heartbeat a second carries the identity and the state of the worker', t => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { presence, control, beats } = startPresence();
  presence.start();
  t.mock.timers.tick(999);
  assert.equal(beats().length, 0);
  t.mock.timers.tick(2001);
  assert.equal(beats().length, 3);
  assert.deepEqual(beats()[0], {
    ...{ v: 1, keyed: true, worker: 'w-1', incarnation: 'p1', shard: 2, pulling: true, leaving: false },
    ...VITALS,
    report: { ...VITALS.report, resting: null },
  });
  assert.deepEqual(control.sent.items[0]?.address, { kind: 'heartbeat', region: 'eu', worker: 'w-1' });
});

test('a worker announces that it takes nothing while its engine is sick, and when it does again', () => {
  let isWell = false;
  const { presence, beats } = startPresence(() => isWell);
  presence.beat();
  isWell = true;
  presence.beat();
  assert.deepEqual(
    beats().map(beat => beat?.pulling),
    [false, true],
  );
});

test('a worker that drains announces it at once, keeps sending heartbeats, and ends with a last one', t => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { presence, beats } = startPresence();
  presence.start();
  assert.equal(presence.isResting, false);
  presence.drain();
  assert.equal(presence.isResting, true);
  t.mock.timers.tick(1000);
  presence.leave();
  t.mock.timers.tick(5000);
  assert.deepEqual(
    beats().map(beat => [beat?.pulling, beat?.leaving]),
    [
      [false, false],
      [false, false],
      [false, true],
    ],
  );
});

test('an operator drains a worker and lets it go on; a shutdown has the last word', () => {
  const { presence, beats } = startPresence();
  const resting = () => [presence.isResting, beats().at(-1)?.pulling, beats().at(-1)?.report?.resting];
  presence.order(true);
  presence.order(true);
  assert.equal(beats().length, 1, 'what is known is not told again');
  assert.deepEqual(resting(), [true, false, 'drained']);
  presence.order(false);
  assert.deepEqual(resting(), [false, true, null]);
  presence.drain();
  presence.order(true);
  assert.deepEqual(resting(), [true, false, 'draining']);
});
