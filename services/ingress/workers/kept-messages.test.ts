import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type QueueAddress, sharedAddress } from '@penstock/protocol';
import { KeptMessages, type QueuedRequest } from './kept-messages.ts';

const KEY = { region: 'eu', shard: 0, slug: 'm', lane: 'interactive', size: 'short' } as const;
type Made = { -readonly [K in keyof QueuedRequest]: QueuedRequest[K] } & { readonly id: string };

/** Requests r0, r1, … that were published at 0; the broker has none of their messages. */
function startLooking() {
  const state = { now: 0, connected: true, hasLostAll: true, isAway: false, moving: '' };
  const read: string[] = [];
  const lost: string[] = [];
  const clock = { now: () => state.now, monotonic: () => state.now };
  const kept = new KeptMessages<Made>(
    {
      queue: {
        get connected() {
          return state.connected;
        },
        async read({ id }: QueueAddress) {
          read.push(id);
          if (state.isAway) throw new Error('timeout');
          return state.hasLostAll ? null : Buffer.of();
        },
      },
      isMoving: ({ id }) => id === state.moving,
      clock,
    },
    request => {
      lost.push(request.id);
      request.gone = true;
    },
  );
  const made = (i: number, change: Partial<QueuedRequest> = {}): Made => ({
    ...{ id: `r${i}`, address: sharedAddress(KEY, `r${i}`), running: null, gone: false },
    ...{ converted: null, keptAt: 0, ...change },
  });
  const breakAt = (ms: number) => {
    state.now = ms;
    state.connected = false;
    kept.notice();
    state.connected = true;
  };
  return { state, read, lost, kept, made, breakAt };
}

test('nothing is looked for while the connection has held', async () => {
  const { state, read, kept, made } = startLooking();
  kept.notice();
  state.now = 60_000;
  await kept.look([made(0)]);
  assert.deepEqual(read, []);
});

test('after an outage each request that waits is looked for once, and what is gone is told', async () => {
  const { state, read, lost, kept, made, breakAt } = startLooking();
  const requests = [made(0)];
  breakAt(1000);
  state.now = 3900;
  await kept.look(requests);
  assert.deepEqual(read, [], 'the others may not be back yet');
  state.now = 4000;
  state.isAway = true;
  await kept.look(requests);
  state.isAway = false;
  state.hasLostAll = false;
  await kept.look(requests);
  await kept.look(requests);
  assert.deepEqual(
    [read, lost],
    [['r0', 'r0'], []],
    'asked again where nobody answered, and no more once it is there',
  );
  breakAt(5000);
  state.hasLostAll = true;
  state.now = 8000;
  await kept.look(requests);
  assert.deepEqual(lost, ['r0']);
});

test('what runs, is moving, is not confirmed yet or came later is not looked for', async () => {
  const { state, read, kept, made, breakAt } = startLooking();
  breakAt(1000);
  state.now = 4000;
  state.moving = 'r1';
  await kept.look([
    made(0, { running: {} }),
    made(1),
    made(2, { keptAt: Number.POSITIVE_INFINITY }),
    made(3, { keptAt: 1001 }),
    made(4, { converted: {} }),
  ]);
  assert.deepEqual(read, []);
});

test('no more than some are read each time', async () => {
  const { state, lost, kept, made, breakAt } = startLooking();
  breakAt(1000);
  state.now = 4000;
  const requests = Array.from({ length: 60 }, (_, i) => made(i));
  await kept.look(requests);
  assert.equal(lost.length, 50);
  await kept.look(requests);
  assert.equal(lost.length, 60);
});
