import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodePacket, type Frame } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import { FrameBatcher, type FrameSource } from './frame-batcher.ts';

const TICK_MS = 10;

/** A batcher whose packets are kept: to whom, and the ids of their frames. */
function startBatcher(publish: () => Promise<void> = async () => {}) {
  const packets: { to: string; ids: string[]; waitMs: number }[] = [];
  const errors: object[] = [];
  let waitMs = 0;
  const batcher = new FrameBatcher({
    bus: {
      publish: (to, packet) => {
        const { quote, frames } = decodePacket(packet);
        packets.push({ to, ids: frames.map(frame => frame.id), waitMs: quote.waitMs });
        return publish();
      },
    },
    worker: 'w-1',
    tickMs: TICK_MS,
    quote: () => ({ waitMs: ++waitMs, tokensPerSec: 1, cacheTokens: 0 }),
    log: { error: (about: object) => void errors.push(about) } as unknown as Logger,
  });
  return { batcher, packets, errors };
}

function source(id: string, ingressId: string, count = 1): FrameSource {
  const frame: Frame = { id, attempt: 1, nonce: 1, seq: 0, kind: 'events', meta: '', body: Buffer.from('x') };
  return { ingressId, takeFrames: into => void into.push(...Array<Frame>(count).fill(frame)) };
}

test('what is ready for one ingress within a tick leaves as one packet, with the quote of that moment', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] });
  const { batcher, packets } = startBatcher();
  const a = source('a', 'in-1', 2);
  batcher.add(a, false);
  batcher.add(source('b', 'in-1'), false);
  batcher.add(source('c', 'in-2'), false);
  // A source is asked once for all that it has.
  batcher.add(a, false);
  t.mock.timers.tick(TICK_MS - 1);
  assert.deepEqual(packets, []);
  t.mock.timers.tick(1);
  assert.deepEqual(packets, [
    { to: 'in-1', ids: ['a', 'a', 'b'], waitMs: 1 },
    { to: 'in-2', ids: ['c'], waitMs: 2 },
  ]);
  t.mock.timers.tick(10 * TICK_MS);
  assert.equal(packets.length, 2);
});

test('an urgent frame leaves in the same turn and takes along what waits', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] });
  const { batcher, packets } = startBatcher();
  batcher.add(source('a', 'in-1'), false);
  batcher.add(source('b', 'in-1'), true);
  assert.equal(packets.length, 0);
  t.mock.timers.tick(0);
  assert.deepEqual(
    packets.map(packet => packet.ids),
    [['a', 'b']],
  );
  t.mock.timers.tick(TICK_MS);
  assert.equal(packets.length, 1);
});

test('a source whose frames are gone by then makes no packet', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] });
  const { batcher, packets } = startBatcher();
  batcher.add(source('a', 'in-1', 0), false);
  batcher.flush();
  assert.deepEqual(packets, []);
});

test('a packet that the reply bus refuses is logged, and the next one is sent', async t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] });
  const { batcher, packets, errors } = startBatcher(async () => {
    throw new Error('closed');
  });
  for (const id of ['a', 'b']) {
    batcher.add(source(id, 'in-1'), false);
    batcher.flush();
    await Promise.resolve();
    await Promise.resolve();
  }
  assert.equal(packets.length, 2);
  assert.equal(errors.length, 2);
});
