import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded } from '../random.fixture.ts';
import { decodePacket, encodePacket, FRAME_KINDS, type Frame, type FrameKind, NO_NONCE } from './frame.ts';

const QUOTE = { waitMs: 1234, tokensPerSec: 9876, cacheTokens: 1_764_000_000_000_123 };

const METAS: Partial<Record<FrameKind, object>> = {
  accepted: { ack: '$JS.ACK.WORK_eu_0.m_interactive_short.1.7.7.0.0', waitMs: 3, incarnation: 'p1' },
  result: { status: 200, contentType: 'application/json' },
  failed: { code: 'engine_error', message: 'é日𝄞'.repeat(50), retryable: true },
};

function randomFrame(rand: () => number): Frame {
  const kinds = Object.keys(FRAME_KINDS) as FrameKind[];
  const kind = kinds[Math.floor(rand() * kinds.length)] ?? 'events';
  const meta = METAS[kind];
  return {
    id: 'abcdefghijklmnopqrstuvwxyz234567'.slice(0, 1 + Math.floor(rand() * 26)),
    attempt: Math.floor(rand() * 65_536),
    nonce: 1 + Math.floor(rand() * (2 ** 48 - 1)),
    seq: Math.floor(rand() * 2 ** 32),
    kind,
    meta: meta === undefined ? '' : JSON.stringify(meta),
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
      dropped: 0,
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

test('packets of the version before are read, which have no parts; older and newer ones are not', () => {
  const packet = encodePacket('w', QUOTE, [randomFrame(seeded(4))]);
  const { frames: now } = decodePacket(packet);
  packet[1] = 4;
  assert.deepEqual(decodePacket(packet).frames, now);
  for (const version of [3, 6]) {
    packet[1] = version;
    assert.throws(() => decodePacket(packet), new RegExp(`unknown version ${version}`));
  }
});

test('a frame with a part that is wrong is left out and counted, and those beside it are read', () => {
  const good = { ...randomFrame(seeded(5)), kind: 'events', meta: '' } as const;
  const accepted = METAS.accepted ?? {};
  const failed = METAS.failed ?? {};
  const wrong: (Partial<Frame> & { readonly more?: object })[] = [
    ...['not a token!', '', 'a.b', '*', '\n'].map(id => ({ id })),
    { nonce: NO_NONCE },
    ...['this is no JSON', '', '[]', 'null', '{}', `${'['.repeat(20_000)}`].map(
      meta => ({ kind: 'accepted', meta }) as const,
    ),
    ...[
      { ack: '' },
      { ack: 'a'.repeat(600) },
      { ack: 7 },
      { waitMs: '1' },
      { waitMs: null },
      { key: 'short' },
    ].map(more => ({ kind: 'accepted', meta: JSON.stringify({ ...accepted, ...more }) }) as const),
    ...[{ status: 99 }, { status: 1e9 }, { status: '200' }, { contentType: null }].map(
      more => ({ kind: 'result', meta: JSON.stringify({ ...METAS.result, ...more }) }) as const,
    ),
    ...[{ retryable: 1 }, { code: null }, { message: undefined }, { busyMs: -1 }, { busyMs: 1e300 }].map(
      more => ({ kind: 'failed', meta: JSON.stringify({ ...failed, ...more }) }) as const,
    ),
    { kind: 'failed', meta: '{"code":"a","message":"","retryable":true,"busyMs":1e999}' },
  ];
  for (const change of wrong) {
    const packet = encodePacket('w', QUOTE, [good, { ...good, ...change } as Frame, good]);
    assert.deepEqual(
      decodePacket(packet),
      { worker: 'w', quote: QUOTE, frames: [good, good], dropped: 1 },
      JSON.stringify(change),
    );
  }
  const unknown = encodePacket('w', QUOTE, [good]);
  unknown[4 + 16 + 4] = 99;
  assert.deepEqual([decodePacket(unknown).frames, decodePacket(unknown).dropped], [[], 1]);
});

test('a packet of no worker, or with a quote that is none, is refused', () => {
  for (const worker of ['not a token!', '', 'a.b', 'W', 'x'.repeat(49)])
    assert.throws(() => decodePacket(encodePacket(worker, QUOTE, [])), /without a name/, worker);
  for (const cacheTokens of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300])
    assert.throws(
      () => decodePacket(encodePacket('w', { ...QUOTE, cacheTokens }, [])),
      /a quote that is none/,
    );
  const fast = decodePacket(encodePacket('w', { ...QUOTE, tokensPerSec: 4e9 }, []));
  assert.equal(fast.quote.tokensPerSec, 100_000_000);
});
