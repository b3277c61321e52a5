import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { DEFAULT_BOUNDARIES, type WorkerLoad } from '@penstock/policy';
import type { WorkQueueKey } from '@penstock/protocol';
import type { WorkQueue } from '@penstock/transport';
import { IDLE } from '../../../libs/policy/worker-load.fixture.ts';
import { Bidder } from './bidder.ts';

type Offer = { level: number; batch: number } | null;

/** A bidder whose offers are recorded by consumer, on the clock of the test. */
async function startBidder(t: TestContext, load: () => WorkerLoad, clock: () => number) {
  const offers = new Map<string, Offer[]>();
  /** Consumers that were made an offer, in order. */
  const order: string[] = [];
  const surplus = new Map<string, () => void>();
  /** Pulls that were stopped. */
  const stopped: string[] = [];
  const pullerFor = (name: string, onSurplus: () => void) => {
    surplus.set(name, onSurplus);
    const made: Offer[] = [];
    offers.set(name, made);
    const bid = (offer: Offer) => {
      made.push(offer);
      if (offer !== null) order.push(name);
    };
    const stop = async () => {
      stopped.push(name);
    };
    return { bid, stop };
  };
  const queue = {
    ensureConsumer: async () => {},
    ensureBoundConsumer: async () => {},
    pull: ({ lane, size }: WorkQueueKey, _take: unknown, onSurplus: () => void) =>
      pullerFor(`${lane} ${size}`, onSurplus),
    pullBound: (...[, , , , onSurplus = () => {}]: Parameters<WorkQueue['pullBound']>) =>
      pullerFor('bound', onSurplus),
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
  return { bidder, offers, order, surplus, stopped };
}

for (const { models, pauseMs } of [
  { models: 1, pauseMs: 2 },
  { models: 20, pauseMs: 20 },
]) {
  test(`however much changes, bids for ${models} models are renewed at most every ${pauseMs} ms`, async t => {
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

test('a change after a quiet time renews the bids at once', async t => {
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
  for (const name of ['interactive short', 'interactive long', 'bound'])
    assert.deepEqual(offers.get(name), [null], name);
});

test('work that a full worker keeps handing back is offered its next free slot first, lower lanes only when it stays idle', async t => {
  let now = 0;
  let running = 0;
  const { bidder, order, surplus } = await startBidder(
    t,
    () => ({ ...IDLE, slots: 1, running }),
    () => now,
  );
  /** To whom a slot that becomes free is offered, in order. */
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
  assert.deepEqual(await offered(0), [...interactive, 'bound']);
  surplus.get('interactive long')?.();
  surplus.get('background any')?.();
  assert.deepEqual(await offered(100), [...interactive, 'background any', 'batch any', 'bound']);
  now += 1000;
  const [short, medium, long] = interactive;
  assert.deepEqual(await offered(0), [long, short, medium, 'bound']);
});

test('a bidder that was stopped renews nothing, whatever still changes', async t => {
  let now = 0;
  const { bidder, offers } = await startBidder(
    t,
    () => IDLE,
    () => now,
  );
  now += 1000;
  bidder.requote();
  await bidder.stop();
  bidder.requote();
  await turn();
  await turn();
  assert.deepEqual(offers.get('interactive short'), []);
});

test('the pulls of a model that left are stopped, and all others go on', async t => {
  const { bidder, offers, stopped } = await startBidder(
    t,
    () => IDLE,
    () => 1000,
  );
  await bidder.open('lora');
  await bidder.retain(new Set(['m', 'lora']));
  assert.deepEqual(stopped, []);
  await bidder.retain(new Set(['lora']));
  const kinds = [
    'interactive short',
    'interactive medium',
    'interactive long',
    'background any',
    'batch any',
  ];
  assert.deepEqual(stopped, kinds);
  for (const made of offers.values()) made.length = 0;
  bidder.requote();
  await turn();
  await turn();
  for (const name of [...kinds, 'bound']) assert.equal(offers.get(name)?.length, 1, name);
});
