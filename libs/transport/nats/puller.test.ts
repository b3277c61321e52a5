import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { NatsPuller } from './puller.ts';

/** A connection that notes the levels of pulls posted and counts those taken back. */
function startPuller() {
  const posted: number[] = [];
  let revoked = 0;
  const wire = {
    publish: (_subject: string, payload: Uint8Array) =>
      void posted.push((JSON.parse(Buffer.from(payload).toString()) as { priority: number }).priority),
    subscribe: () => ({
      inbox: 'inbox',
      drain: async () => void revoked++,
    }),
  };
  const about = { stream: 'S', consumer: 'C', group: 'g', onDelivery: () => {} };
  const told = { onNobody: () => {}, onSurplus: () => {}, onStopped: () => {} };
  return { puller: new NatsPuller(wire, { ...about, ...told }), posted, revoked: () => revoked };
}

test('a worse level replaces the pull at once, a better one after a moment, and one that was worse again by then not at all', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { puller, posted, revoked } = startPuller();
  puller.bid({ level: 2, batch: 4 });
  puller.bid({ level: 5, batch: 4 });
  assert.deepEqual([posted, revoked()], [[2, 5], 1]);
  puller.bid({ level: 2, batch: 4 });
  puller.bid({ level: 5, batch: 4 });
  mock.timers.tick(20);
  assert.deepEqual([posted, revoked()], [[2, 5], 1]);
  puller.bid({ level: 3, batch: 4 });
  puller.bid({ level: 1, batch: 4 });
  assert.deepEqual(posted, [2, 5]);
  mock.timers.tick(20);
  assert.deepEqual([posted, revoked()], [[2, 5, 1], 2]);
  await puller.stop();
  mock.timers.reset();
});

test('a promise of more than there is room for is taken back at once, at whatever level', async () => {
  const { puller, posted, revoked } = startPuller();
  puller.bid({ level: 5, batch: 4 });
  puller.bid({ level: 3, batch: 2 });
  assert.deepEqual([posted, revoked()], [[5, 3], 1]);
  puller.bid(null);
  assert.equal(revoked(), 2);
  await puller.stop();
});

test('where the offer may lag, a pull is replaced by the latest after that time, and withdrawn at once', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { puller, posted, revoked } = startPuller();
  const lagMs = 100;
  puller.bid({ level: 2, batch: 4, lagMs });
  puller.bid({ level: 5, batch: 4, lagMs });
  t.mock.timers.tick(60);
  puller.bid({ level: 6, batch: 1, lagMs });
  assert.deepEqual([posted, revoked()], [[2], 0]);
  t.mock.timers.tick(40);
  assert.deepEqual([posted, revoked()], [[2, 6], 1]);
  puller.bid({ level: 1, batch: 1, lagMs });
  t.mock.timers.tick(50);
  assert.deepEqual(posted, [2, 6]);
  puller.bid(null);
  assert.equal(revoked(), 2);
  t.mock.timers.tick(100);
  assert.deepEqual(posted, [2, 6]);
  await puller.stop();
});

test('a pull is posted anew when its consumer has another leader, and the one before is taken back', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { puller, posted, revoked } = startPuller();
  assert.deepEqual([puller.isOn('S', 'C'), puller.isOn('S', 'D')], [true, false]);
  puller.elected();
  t.mock.timers.tick(1000);
  assert.deepEqual(posted, []);
  puller.bid({ level: 2, batch: 4 });
  puller.elected();
  puller.elected();
  t.mock.timers.tick(1000);
  assert.deepEqual([posted, revoked()], [[2, 2], 1]);
  await puller.stop();
});
