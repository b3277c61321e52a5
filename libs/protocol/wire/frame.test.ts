import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded } from '../random.fixture.ts';
import { decodePacket, encodePacket, FRAME_KINDS, type Frame, type FrameKind, NO_NONCE } from './frame.ts';

const QUOTE = { waitMs: 1234, tokensPerSec: 9876, cacheTokens: 1_764_000_000_000_123 };

function randomFrame(rand: () => number): Frame {
  const kinds = Object.keys(FRAME_KINDS) as FrameKind[];
  return {
    id: 'abcdefghijklmnopqrstuvwxyz234567'.slice(0, 1 + Math.floor(rand() * 26)),
    attempt: Math.floor(rand() * 65_536),
    nonce: Math.floor(rand() * 2 ** 48),
    seq: Math.floor(rand() * 2 ** 32),
    kind: kinds[Math.floor(rand() * kinds.length)] ?? 'events',
    meta: rand() < 0.5 ? '' : JSON.stringify({ message: 'é日𝄞'.repeat(Math.floor(rand() * 50)) }),
    body: Buffer.from(Array.from({ length: Math.floor(rand() * 300) }, () => Math.floor(rand() * 256))),
  };
}

test('what is encoded is decoded, whatever it holds', () => {
  const rand = seeded(1);
  for (let i = 0; i < 500; i++) {
    const frames = Array.from({ length: Math.floor(rand() * 6) }, () => randomFrame(rand));
    assert.deepEqual(decodePacket(encodePacket('worker-1', QUOTE, frames)), {
      worker: 'worker-1',
      quote: QUOTE,
      frames,
    });
  }
});

test('a packet cut anywhere is refused or ends at a frame boundary', () => {
  const rand = seeded(2);
  const frames = [randomFrame(rand), randomFrame(rand), randomFrame(rand)];
  const whole = encodePacket('w', QUOTE, frames);
  let boundaries = 0;
  for (let length = 0; length < whole.length; length++) {
    try {
      const { frames: read } = decodePacket(whole.subarray(0, length));
      assert.deepEqual(read, frames.slice(0, read.length));
      boundaries++;
    } catch (err) {
      assert.match((err as Error).message, /cut off|not a frame packet/);
    }
  }
  assert.equal(boundaries, frames.length, 'only the three inner boundaries read as packets');
});

test('flipped bytes never crash the reader or make it read outside the packet', () => {
  const rand = seeded(3);
  for (let i = 0; i < 3000; i++) {
    const bytes = encodePacket('w', QUOTE, [randomFrame(rand), randomFrame(rand)]);
    for (let flips = 0; flips < 3; flips++)
      bytes[Math.floor(rand() * bytes.length)] = Math.floor(rand() * 256);
    try {
      const total = decodePacket(bytes).frames.reduce((sum, frame) => sum + frame.body.length, 0);
      assert.ok(total <= bytes.length);
    } catch (err) {
      assert.match((err as Error).message, /packet|frame/);
    }
  }
});

test('packets of the versions before are read: of 4, which has no parts, and of 3, without nonces', () => {
  const frame = Buffer.from('\0\0\0\x0b\x02\0\x07\0\0\0\x09\x01a\0\0', 'latin1');
  const before = Buffer.concat([Buffer.from('P\x03\x01w', 'latin1'), Buffer.alloc(16), frame, frame]);
  const { worker, frames } = decodePacket(before);
  const read = { id: 'a', attempt: 7, nonce: NO_NONCE, seq: 9, kind: 'events', meta: '' };
  assert.deepEqual([worker, frames], ['w', Array(2).fill({ ...read, body: Buffer.alloc(0) })]);
  assert.throws(() => decodePacket(before.subarray(0, -1)), /cut off/);
  const packet = encodePacket('w', QUOTE, [randomFrame(seeded(4))]);
  const { frames: now } = decodePacket(packet);
  packet[1] = 4;
  assert.deepEqual(decodePacket(packet).frames, now);
  packet[1] = 6;
  assert.throws(() => decodePacket(packet), /unknown version 6/);
});
