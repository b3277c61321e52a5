import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { DEFAULT_BOUNDARIES, type WorkerLoad } from '@penstock/policy';
import type { WorkQueueKey } from '@penstock/protocol';
import type { WorkQueue } from '@penstock/transport';
import { Bidder } from './bidder.ts';

const IDLE: WorkerLoad = {
  prefillBacklogTokens: 0,
  head: null,
  prefillTokensPerSec: 10_000,
  running: 0,
  slots: 64,
  kvUse: null,
  kvFreeTokens: null,
  errorRate: 0,
  answerTokens: 200,
};
type Offer = { level: number; batch: number } | null;

/** A bidder whose offers are kept, by consumer; time stands still unless it is told. */
async function startBidder(t: TestContext, load: () => WorkerLoad, clock: () => number) {
  const offers = new Map<string, Offer[]>();
  /** Names of the consumers that were made an offer, in order. */
  const order: string[] = [];
  const surplus = new Map<string, () => void>();
  const pullerFor = (name: string, onSurplus: () => void) => {
    surplus.set(name, onSurplus);
    const made: Offer[] = [];
    offers.set(name, made);
    const bid = (offer: Offer) => {
      made.push(offer);
      if (offer !== null) order.push(name);
    };
    return { bid, stop: async () => {} };
  };
  const queue = {
    ensureConsumer: async () => {},
    ensureBoundConsumer: async () => {},
    pull: ({ lane, size }: WorkQueueKey, _take: unknown, onSurplus: () => void) =>
      pullerFor(`${lane} ${size}`, onSurplus),
    pullBound: (...[, , , , onSurplus = () => {}]: Parameters<WorkQueue['pullBound']>) =>
      pullerFor('sticky', onSurplus),
  } as unknown as WorkQueue;
  const bidder = new Bidder({
    queue,
    clock: { now: clock, monotonic: clock },
    region: 'local',
    shard: 0,
    worker: 'w-1',
    ackWaitMs: 10_000,
    boundaries: DEFAULT_BOUNDARIES,
    standing: () => ({ load: load(), sick: false, draining: false, fleetTokensPerSec: 10_000 }),
    onDelivery: () => true,
  });
  // A bidder that goes on would keep the process of a failed test alive.
  t.after(() => bidder.stop());
  await bidder.open('m');
  return { bidder, offers, order, surplus };
}

for (const { models, pauseMs } of [
  { models: 1, pauseMs: 2 },
  { models: 20, pauseMs: 20 },
]) {
  test(`however much happens, bids for ${models} models are renewed at most every ${pauseMs} ms`, async t => {
    t.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] });
    let now = 1000;
    const { bidder, offers } = await startBidder(
      t,
      () => IDLE,
      () => now,
    );
    for (let i = 1; i < models; i++) await bidder.open(`m${i}`);
    const ticks = 50 * pauseMs;
    for (let tick = 0; tick < ticks; tick++) {
      bidder.requote();
      t.mock.timers.tick(1);
      // Timers may come a little early by the clock.
      now += 0.9;
    }
    const most = (0.9 * ticks) / pauseMs + 1;
    const renewed = offers.get('interactive short')?.length ?? 0;
    assert.ok(renewed > most / 2 && renewed <= most, `${renewed} renewals, at most ${most}`);
  });
}

test('a change after a quiet while is told at once', async t => {
  let running = 0;
  const { bidder, offers } = await startBidder(
    t,
    () => ({ ...IDLE, running }),
    () => 1000,
  );
  running = 64;
  bidder.requote();
  await turn();
  await turn();
  for (const name of ['interactive short', 'interactive long', 'sticky'])
    assert.deepEqual(offers.get(name), [null], name);
});

test('what a full worker goes on handing back is offered the next room first, lower lanes never before a valley', async t => {
  let now = 0;
  let running = 0;
  const { bidder, order, surplus } = await startBidder(
    t,
    () => ({ ...IDLE, slots: 1, running }),
    () => now,
  );
  /** In which order a slot is offered that becomes free. */
  const offered = async (afterMs: number) => {
    for (const [load, ms] of [
      [1, 0],
      [0, afterMs],
    ] as const) {
      running = load;
      now += ms + 5;
      order.length = 0;
      bidder.requote();
      await turn();
    }
    return [...order];
  };
  const interactive = ['interactive short', 'interactive medium', 'interactive long'];
  assert.deepEqual(await offered(0), [...interactive, 'sticky']);
  surplus.get('interactive long')?.();
  surplus.get('background any')?.();
  assert.deepEqual(await offered(100), [...interactive, 'background any', 'batch any', 'sticky']);
  now += 1000;
  const [short, medium, long] = interactive;
  assert.deepEqual(await offered(0), [long, short, medium, 'sticky']);
});
