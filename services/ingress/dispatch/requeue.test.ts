import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DispatchError,
  decodeEnvelope,
  encodeEnvelope,
  type NewRun,
  type QueueAddress,
  type WorkMeta,
} from '@penstock/protocol';
import { workMeta } from '../../../libs/protocol/work-meta.fixture.ts';
import type { OpenRequest } from './open-request.ts';
import { Requeue, type RequeueOptions } from './requeue.ts';
import { ADDRESS } from './transition.fixture.ts';

/** @param refusals how often the queue refuses before it takes the request. @param sending how it was sent; long ago where absent. */
function queueThat(refusals: number, sending: Promise<void> | null = null) {
  let left = refusals;
  const ids: string[] = [];
  const reads: string[] = [];
  const offeredAt: QueueAddress[] = [];
  const taken: WorkMeta[] = [];
  const queue = {
    async read() {
      reads.push('read');
      await sending;
      return encodeEnvelope(workMeta(), Buffer.from('{}'));
    },
    clear: async () => {},
    publish: async (address: QueueAddress, work: Uint8Array, { messageId }: { messageId: string }) => {
      ids.push(messageId);
      offeredAt.push(address);
      if (left-- > 0) throw new DispatchError('broker_unavailable');
      taken.push(decodeEnvelope(work).meta);
    },
  };
  const claims = { sealed: async (_project: string, work: object) => work };
  const deps = { queue, claims, clock: { now: () => 0, monotonic: () => 0 } } as unknown as RequeueOptions;
  const bound = { ...ADDRESS, worker: 'w-1' };
  const about = { id: 'r1', address: bound, unsent: null, attempt: 1, deadlineAt: 1000 };
  const request = { ...about, sending } as OpenRequest;
  const places: QueueAddress[] = [];
  const converted = {
    run: {
      ...{ kind: 'job', tenant: 't', detail: '' },
      deadlineAt: 5000,
      log: 'deltas',
      address: bound,
    } as NewRun,
    move: async (address: QueueAddress) => void places.push(address),
  };
  return {
    outcome: new Requeue(deps).handOver(request, converted),
    ...{ places, offeredAt, ids, taken, reads },
  };
}
const settle = () => new Promise(resolve => setImmediate(resolve));

test('a call that was taken off the queue is offered again until the queue takes it, as one message', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { outcome, ids, taken } = queueThat(2);
  for (let i = 0; i < 3; i++) {
    await settle();
    t.mock.timers.tick(500);
  }
  assert.equal(await outcome, 'moved');
  assert.deepEqual(ids, ['r1-1024', 'r1-1024', 'r1-1024']);
  assert.deepEqual(
    taken.map(({ stored, log, attemptBase, deadlineAt }) => [stored, log, attemptBase, deadlineAt]),
    [[true, 'deltas', 1024, 5000]],
  );
});

test('a queue that accepts nothing for half a minute counts as refusing', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { outcome, taken } = queueThat(Number.POSITIVE_INFINITY);
  for (let i = 0; i < 60; i++) {
    await settle();
    t.mock.timers.tick(500);
  }
  assert.equal(await outcome, 'refused');
  assert.deepEqual(taken, []);
});

test('a call that was bound to a worker is offered to all, and its record says where it is', async () => {
  const { outcome, places, offeredAt } = queueThat(0);
  assert.equal(await outcome, 'moved');
  assert.deepEqual([places, offeredAt], [[ADDRESS], [ADDRESS]]);
});

test('a call whose message is still on its way to the queue is taken off it once it is there', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { outcome, reads } = queueThat(0, promise);
  await settle();
  assert.deepEqual(reads, []);
  resolve();
  assert.equal(await outcome, 'moved');
});

test('a call that the queue never confirmed, and of which it says nothing, was refused', async () => {
  const { outcome } = queueThat(0, Promise.reject(new DispatchError('broker_unavailable')));
  assert.equal(await outcome, 'refused');
});
