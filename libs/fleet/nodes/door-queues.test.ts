import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ingressStatus } from '../../protocol/ingress-status.fixture.ts';
import { DoorQueues } from './door-queues.ts';

const waitingAt = (atDoor: number, slug = 'm') =>
  ({ slug, lane: 'interactive', requests: 9, atDoor, oldestMs: 400 }) as const;

test('what waits at doors is surveyed beside what the broker has, as long as its nodes are heard', async () => {
  let nowMs = 10_000;
  const doors = new DoorQueues({ now: () => nowMs, monotonic: () => nowMs });
  const queue = { shard: 0, slug: 'm', lane: 'interactive', size: 'short', delivered: 1 } as const;
  const broker = { queues: [{ ...queue, waiting: 2, oldestAt: null }], streams: 1 };
  const survey = doors.beside({ look: async () => broker });
  const looked = async () => (await survey.look()).queues.map(({ waiting, oldestAt }) => [waiting, oldestAt]);
  doors.hear(ingressStatus({ waiting: [waitingAt(5), waitingAt(0, 'other')] }));
  doors.hear(ingressStatus({ ingress: 'in-2', waiting: [waitingAt(7)] }));
  assert.deepEqual(await looked(), [
    [2, null],
    [5, 9600],
    [7, 9600],
  ]);
  doors.hear(ingressStatus({ ingress: 'in-2', leaving: true, waiting: [waitingAt(7)] }));
  assert.equal((await looked()).length, 2);
  nowMs += 3001;
  assert.equal((await looked()).length, 1);
});
