import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { decodePacket, type Frame, MAX_PACKET_BYTES } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import { FrameBatcher, type FrameSource } from './frame-batcher.ts';
import { OutgoingFrames } from './outgoing-frames.ts';

const TICK_MS = 10;

/** A batcher whose packets are kept: to whom, and the ids of their frames. */
function startBatcher(
  publish: () => Promise<void> = async () => {},
  seal: (frame: Frame) => Frame = frame => frame,
) {
  const packets: { to: string; ids: string[]; waitMs: number }[] = [];
  const errors: object[] = [];
  /** Packets that wait until their ingress has read. */
  const paced: { to: string; frames: readonly Frame[]; read(): Promise<void>; lose(): void }[] = [];
  let waitMs = 0;
  let longest = 0;
  const read = (packet: Buffer) => {
    longest = Math.max(longest, packet.length);
    return decodePacket(packet);
  };
  const batcher = new FrameBatcher({
    seal,
    bus: {
      publish: (to, packet) => {
        const { quote, frames } = read(packet);
        packets.push({ to, ids: frames.map(frame => frame.id), waitMs: quote.waitMs });
        return publish();
      },
      publishPaced: (to, packet) =>
        new Promise((resolve, reject) => {
          const done = async () => {
            resolve();
            await turn();
          };
          paced.push({
            ...{ to, frames: read(packet).frames, read: done },
            lose: () => reject(new Error('reads nothing')),
          });
        }),
    },
    worker: 'w-1',
    tickMs: TICK_MS,
    quote: () => ({ waitMs: ++waitMs, tokensPerSec: 1, cacheTokens: 0 }),
    log: { error: (about: object) => void errors.push(about) } as unknown as Logger,
  });
  return { batcher, packets, paced, errors, longest: () => longest };
}

function source(id: string, ingressId: string, count = 1) {
  const frame: Frame = { id, attempt: 1, nonce: 1, seq: 0, kind: 'events', meta: '', body: Buffer.from('x') };
  const lost: string[] = [];
  const takeFrames: FrameSource['takeFrames'] = into => {
    into.push(...Array<Frame>(count).fill(frame));
    return false;
  };
  return { ingressId, waitingBytes: 0, takeFrames, lost: () => void lost.push(id), losses: lost };
}

/** A source with an answer of so many bytes. */
function answer(id: string, bytes: number) {
  const outgoing = new OutgoingFrames({ id, attempt: 1, nonce: 1 }, { ack: 'a', waitMs: 0 });
  const meta = JSON.stringify({ status: 200, contentType: 'application/json' });
  outgoing.end({ kind: 'result', meta, body: Buffer.alloc(bytes, id) });
  const lost: string[] = [];
  return {
    ingressId: 'in-1',
    outgoing,
    losses: lost,
    get waitingBytes() {
      return outgoing.waitingBytes;
    },
    takeFrames: (into: Frame[], room: number) => outgoing.take(into, room),
    lost: () => {
      lost.push(id);
      outgoing.clear();
    },
  };
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

test('a packet that the reply bus loses is logged and told to whose it was, and the next one is sent', async t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] });
  const { batcher, packets, errors } = startBatcher(async () => {
    throw new Error('closed');
  });
  const sources = ['a', 'b'].map(id => source(id, 'in-1'));
  for (const each of sources) {
    batcher.add(each, false);
    batcher.flush();
    await Promise.resolve();
    await Promise.resolve();
  }
  assert.equal(packets.length, 2);
  assert.equal(errors.length, 2);
  assert.deepEqual(
    sources.map(({ losses }) => losses),
    [['a'], ['b']],
  );
});

test('many frames of one tick leave as several packets, none too long', () => {
  const { batcher, packets, longest } = startBatcher();
  const ids = Array.from({ length: 20 }, (_, i) => String.fromCharCode(97 + i));
  for (const id of ids) batcher.add(answer(id, 60_000), false);
  batcher.flush();
  assert.ok(packets.length > 4 && longest() <= MAX_PACKET_BYTES, `${packets.length}, ${longest()} bytes`);
  assert.deepEqual(
    packets.flatMap(packet => packet.ids),
    ids.flatMap(id => [id, id]),
  );
});

test('each frame is sent as it is sealed, and is as long as that for its packet', () => {
  const seal = (frame: Frame) => ({ ...frame, body: Buffer.concat([frame.body, Buffer.alloc(1000)]) });
  const { batcher, packets, paced, longest } = startBatcher(undefined, seal);
  for (let i = 0; i < 400; i++) batcher.add(source(`r${i}`, 'in-1'), false);
  batcher.add(answer('long', 600_000), false);
  batcher.flush();
  assert.ok(packets.length > 1 && longest() <= MAX_PACKET_BYTES, `${packets.length}, ${longest()} bytes`);
  assert.equal(paced[0]?.frames[0]?.body.subarray(-1000).equals(Buffer.alloc(1000)), true);
});

test('long answers are sent in turns, each piece once the last one was read, and delay nobody', async () => {
  const { batcher, packets, paced, longest } = startBatcher();
  const [a, b] = [answer('a', 600_000), answer('b', 1_200_000)];
  for (const each of [a, b]) batcher.add(each, true);
  batcher.flush();
  assert.equal(batcher.unsentBytes, 1_800_000 - 2 * 65_536 - (paced[0]?.frames[0]?.body.length ?? 0));
  for (let i = 0; i < 4; i++) {
    batcher.add(source(`token-${i}`, 'in-1'), true);
    batcher.flush();
    assert.deepEqual(packets.at(-1)?.ids, [`token-${i}`]);
    assert.equal(paced.length, i + 1, 'one at a time');
    await paced[i]?.read();
  }
  while (batcher.unsent.length > 0) await paced.at(-1)?.read();
  assert.deepEqual(
    paced.slice(0, 4).map(({ frames }) => frames[0]?.id),
    ['a', 'b', 'a', 'b'],
  );
  for (const [id, bytes] of [
    ['a', 600_000],
    ['b', 1_200_000],
  ] as const) {
    const frames = paced.flatMap(each => each.frames).filter(frame => frame.id === id);
    assert.deepEqual(
      frames.map(({ seq }) => seq),
      frames.map((_, i) => i + 2),
      'after those of the first packet',
    );
    assert.equal(frames.at(-1)?.kind, 'result');
    assert.equal(
      frames.reduce((sum, { body }) => sum + body.length, 65_536),
      bytes,
    );
  }
  assert.ok(longest() <= MAX_PACKET_BYTES);
});

test('a long answer that was dropped is sent no further', async () => {
  const { batcher, paced } = startBatcher();
  const a = answer('a', 1_000_000);
  batcher.add(a, true);
  batcher.flush();
  a.outgoing.clear();
  await paced[0]?.read();
  assert.deepEqual([paced.length, batcher.unsent], [1, []]);
});

test('what cannot be brought to its ingress is lost together, and what comes later is sent', async () => {
  const { batcher, packets, paced, errors } = startBatcher();
  const [a, b] = [answer('a', 600_000), answer('b', 600_000)];
  for (const each of [a, b]) batcher.add(each, true);
  batcher.flush();
  paced[0]?.lose();
  await turn();
  assert.deepEqual([a.losses, b.losses, errors.length, batcher.unsent], [['a'], ['b'], 1, []]);
  const failure = { code: 'engine_error', message: 'no', retryable: true };
  a.outgoing.end({ kind: 'failed', meta: JSON.stringify(failure), body: Buffer.alloc(0) });
  batcher.add(a, true);
  batcher.flush();
  assert.deepEqual(packets.at(-1)?.ids, ['a']);
});
