import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharedAddress } from '@penstock/protocol';
import type { ReplySink } from '../replies/reply-sink.ts';
import { type OpenRequest, openRequest } from './open-request.ts';
import { Watchdog } from './watchdog.ts';

const clock = { now: () => 0, monotonic: () => 0 };
const ADDRESS = sharedAddress(
  { region: 'eu', shard: 0, slug: 'm', lane: 'interactive', size: 'short' },
  'r1',
);

/** What is said of a request that waits, and of one that runs. */
function eventsWhere(fleet: { isWithdrawn?: boolean; isAbandoned?: boolean; isStranded?: boolean }) {
  const asked: string[] = [];
  const told: string[] = [];
  const say =
    (answer = false) =>
    (slug: string) => {
      asked.push(slug);
      return answer;
    };
  const watchdog = new Watchdog(
    {
      fleet: {
        isLost: () => false,
        isWithdrawn: say(fleet.isWithdrawn),
        isAbandoned: say(fleet.isAbandoned),
        isStranded: say(fleet.isStranded),
      },
      ...{ clock, ackWaitMs: 9000, holdMs: 60_000 },
    },
    (_request, { kind }) => void told.push(kind),
  );
  const look = (change: Partial<OpenRequest>) => {
    const request = openRequest(
      {
        ...{
          id: 'r1',
          key: 'k',
          slug: 'queue',
          address: ADDRESS,
          bound: null,
          unsent: null,
          door: null,
          lookup: null,
          estimate: null,
        },
        ...{ endpoint: 'rerank', continuable: false, streamed: false, deadlineAt: 1e6, conversion: null },
        sink: { waiting() {} } as unknown as ReplySink,
      },
      clock,
    );
    watchdog.look([Object.assign(request, change)]);
    return told.splice(0);
  };
  const running = { number: 1, nonce: 1, worker: 'w-1', incarnation: 'p1', ack: 'a', waitMs: 0 };
  const events = { waits: look({}), runs: look({ running }) };
  assert.deepEqual([...new Set(asked)], ['queue'], 'asked of its queue');
  return events;
}

test('what waits where nobody serves it any more is told why, what runs goes on', () => {
  const said = (kind: string) => ({ waits: [kind], runs: [] });
  assert.deepEqual(eventsWhere({ isWithdrawn: true, isAbandoned: true }), said('model_left'));
  assert.deepEqual(eventsWhere({ isAbandoned: true, isStranded: true }), said('endpoint_left'));
  assert.deepEqual(eventsWhere({ isStranded: true }), said('stranded'));
  assert.deepEqual(eventsWhere({}), { waits: [], runs: [] });
});

test('what a worker does not name among what it runs is lost, if it says what it runs at all', () => {
  let now = 0;
  const told: string[] = [];
  const watchdog = new Watchdog(
    {
      fleet: {
        isLost: () => false,
        isWithdrawn: () => false,
        isAbandoned: () => false,
        isStranded: () => false,
      },
      ...{ clock: { now: () => now, monotonic: () => now }, ackWaitMs: 1e6, holdMs: 1e6 },
    },
    (_request, { kind }) => void told.push(kind),
  );
  const running = { number: 1, nonce: 1, worker: 'w-1', incarnation: 'p1', ack: 'a', waitMs: 0 };
  const request = openRequest(
    {
      ...{
        id: 'r1',
        key: 'k',
        slug: 'queue',
        address: ADDRESS,
        bound: null,
        unsent: null,
        door: null,
        lookup: null,
        estimate: null,
      },
      ...{ endpoint: 'chat', continuable: false, streamed: false, deadlineAt: 1e6, conversion: null },
      sink: { waiting() {} } as unknown as ReplySink,
    },
    clock,
  );
  Object.assign(request, { running });
  const look = (at: number, said?: string) => {
    now = at;
    if (said !== undefined) watchdog.hear('w-1', said);
    watchdog.look([request]);
    return told.splice(0);
  };
  assert.deepEqual(look(60_000), [], 'a worker of the version before');
  assert.deepEqual(look(60_000, 'p2'), [], 'another process of it');
  request.namedAt = 60_000;
  assert.deepEqual(look(75_000, 'p1'), []);
  assert.deepEqual(look(75_001, 'p1'), ['worker_lost']);
  assert.deepEqual(look(80_002), [], 'it is silent: that is for its heartbeats to tell');
});
