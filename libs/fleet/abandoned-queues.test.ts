import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Endpoint, queueOf } from '@penstock/protocol';
import { ABANDONED_AFTER_MS } from './abandoned-queues.ts';
import { fleetAt, heartbeatOf, modelOf } from './fleet.fixture.ts';

const modelWith = (...endpoints: Endpoint[]) => ({ ...modelOf('m'), endpoints });
const RERANK = queueOf(modelWith('chat', 'rerank'), 'rerank') ?? '';

function startFleet() {
  const time = { now: 0 };
  const fleet = fleetAt(time);
  const alive = new Map<string, Parameters<typeof heartbeatOf>[0]>();
  const hear = (worker: string, ...endpoints: Endpoint[]) => {
    const heartbeat = { worker, models: [modelWith(...endpoints)] };
    alive.set(worker, heartbeat);
    fleet.hear(heartbeatOf(heartbeat));
  };
  return {
    ...{ fleet, hear },
    leave(worker: string) {
      alive.delete(worker);
      fleet.hear(heartbeatOf({ worker, leaving: true }));
    },
    /** Lets time pass as a live process does, with heartbeats of all that are there. */
    pass(ms: number) {
      for (const end = time.now + ms; time.now < end; ) {
        time.now += 1000;
        for (const heartbeat of alive.values()) fleet.hear(heartbeatOf(heartbeat));
        fleet.sweep();
      }
    },
  };
}

test('a queue is abandoned once the engine of its last worker was swapped for one without its endpoint', () => {
  const { fleet, hear, pass } = startFleet();
  hear('w-1', 'chat', 'rerank');
  pass(1000);
  assert.equal(fleet.isAbandoned(RERANK), false);
  hear('w-1', 'chat');
  pass(ABANDONED_AFTER_MS);
  assert.equal(fleet.isAbandoned(RERANK), false);
  pass(1000);
  assert.deepEqual([fleet.isAbandoned(RERANK), fleet.isAbandoned('m')], [true, false]);
  assert.deepEqual(fleet.abandonedQueues(60_000), [RERANK]);
  pass(60_000);
  assert.deepEqual([fleet.isAbandoned(RERANK), fleet.abandonedQueues(60_000)], [true, []]);
  hear('w-2', 'chat', 'rerank');
  pass(1000);
  assert.equal(fleet.isAbandoned(RERANK), false);
});

test('a queue is left alone while its worker is started again, and while its model has no worker', () => {
  const { fleet, hear, leave, pass } = startFleet();
  hear('w-1', 'chat', 'rerank');
  hear('w-2', 'chat');
  pass(1000);
  leave('w-1');
  pass(ABANDONED_AFTER_MS - 1000);
  hear('w-1', 'chat', 'rerank');
  pass(ABANDONED_AFTER_MS + 1000);
  assert.equal(fleet.isAbandoned(RERANK), false);
  leave('w-1');
  leave('w-2');
  pass(ABANDONED_AFTER_MS + 1000);
  assert.equal(fleet.isAbandoned(RERANK), false, 'its worker may come back');
});

test("a model's own queue is abandoned where no engine has any of its endpoints", () => {
  const { fleet, hear, pass } = startFleet();
  hear('w-1', 'chat');
  pass(1000);
  hear('w-1', 'rerank');
  pass(ABANDONED_AFTER_MS + 1000);
  assert.equal(fleet.isAbandoned('m'), true);
});
