import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { extractOf, recordKeyOf } from './sealed-bytes.ts';
import { openStreamWith, sealStreamWith } from './sealed-stream.ts';

const key = recordKeyOf(extractOf(randomBytes(32)), '2026-11-30-a', { project: 'p', record: 'files' });
const keyOf = async () => [key];

/** In pieces as a disk or a socket gives them. */
function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function sealed(content: Buffer, pieceBytes = 50_000): Promise<Buffer> {
  const { stream, bytes } = sealStreamWith(key, Readable.from(pieces(content, pieceBytes)));
  const whole = Buffer.concat(await stream.toArray());
  assert.equal(bytes(), content.length);
  return whole;
}

async function opened(stored: Buffer, pieceBytes = 50_000): Promise<Buffer> {
  const source = Readable.from(pieces(stored, pieceBytes));
  return Buffer.concat(await (await openStreamWith(source, keyOf)).toArray());
}

const SLICE = 64 * 1024;

test('a long content opens as it was, however it comes', async () => {
  for (const size of [0, 1, SLICE - 1, SLICE, SLICE + 1, 3 * SLICE, 300_000]) {
    const content = randomBytes(size);
    const stored = await sealed(content);
    for (const pieceBytes of [7, 65_536, 1_000_000])
      if (size < 70_000 || pieceBytes > 7)
        assert.ok((await opened(stored, pieceBytes)).equals(content), `${size}`);
  }
  const again = await sealed(Buffer.from('same'));
  assert.notDeepEqual(await sealed(Buffer.from('same')), again);
});

test('slices that are changed, left out, put elsewhere, repeated or cut off are found out', async () => {
  const stored = await sealed(randomBytes(3 * SLICE + 10));
  const slice = SLICE + 16;
  const head = stored.length - (3 * slice + 26);
  const at = (n: number) => stored.subarray(head + n * slice, head + (n + 1) * slice);
  const front = stored.subarray(0, head);
  const changed = Buffer.from(stored);
  changed[head + 5] = (changed[head + 5] ?? 0) ^ 1;
  for (const [about, bytes] of [
    ['changed', changed],
    ['left out', Buffer.concat([front, at(0), at(2), at(3)])],
    ['swapped', Buffer.concat([front, at(1), at(0), at(2), at(3)])],
    ['repeated', Buffer.concat([front, at(0), at(0), at(1), at(2), at(3)])],
    ['cut after a slice', stored.subarray(0, head + 2 * slice)],
    ['cut in a slice', stored.subarray(0, stored.length - 1)],
    ['cut in its head', stored.subarray(0, 8)],
    [
      'of another content',
      Buffer.concat([(await sealed(Buffer.from('x'))).subarray(0, head), stored.subarray(head)]),
    ],
  ] as const)
    await assert.rejects(opened(bytes), { name: 'SealError' }, about);
});

test('what was kept in the clear comes as it is, and a source is let go of where its key is missing', async () => {
  for (const text of ['', 'a', '\u00c1', '{"a":1}', 'x'.repeat(200_000)])
    assert.equal(String(await opened(Buffer.from(text))), text);
  const source = Readable.from(pieces(await sealed(randomBytes(200_000)), 50_000));
  await assert.rejects(
    openStreamWith(source, async () => {
      throw new Error('no key');
    }),
    /no key/,
  );
  assert.ok(source.destroyed);
});

test('who stops reading, or reads what was changed, lets go of the source', async () => {
  const stored = await sealed(randomBytes(400_000));
  // The last never ends: it waits for more when its reader leaves.
  const stalled = new Readable({ read() {} });
  stalled.push(stored.subarray(0, 100_000));
  for (const [about, source] of [
    ['sealed', Readable.from(pieces(stored, 50_000))],
    ['in the clear', Readable.from(pieces(Buffer.alloc(400_000, 'x'), 50_000))],
    ['stalled', stalled],
  ] as const) {
    const stream = await openStreamWith(source, keyOf);
    const closed = once(stream, 'close');
    if (about !== 'in the clear') await once(stream, 'readable');
    stream.destroy();
    await closed;
    assert.ok(source.destroyed, about);
  }
  const changed = Buffer.from(stored);
  changed[100] = (changed[100] ?? 0) ^ 1;
  const source = Readable.from(pieces(changed, 50_000));
  await assert.rejects(async () => (await openStreamWith(source, keyOf)).toArray(), { name: 'SealError' });
  assert.ok(source.destroyed);
});

test('of several keys the one is taken that the first slice is sealed with, and what is in the clear is refused where it may not be', async () => {
  const other = recordKeyOf(extractOf(randomBytes(32)), '2026-11-30-a', { project: 'p', record: 'other' });
  const content = randomBytes(3 * SLICE);
  const stored = await sealed(content);
  const open = async (bytes: Buffer, keys: (typeof key)[], isSealed = false) =>
    Buffer.concat(await (await openStreamWith(Readable.from([bytes]), async () => keys, isSealed)).toArray());
  for (const keys of [
    [key, other],
    [other, key],
  ])
    assert.ok((await open(stored, keys, true)).equals(content));
  await assert.rejects(open(stored, [other]), { name: 'SealError' });
  assert.ok((await open(content, [key])).equals(content));
  for (const clear of [content, Buffer.alloc(0), stored.subarray(0, 3)])
    await assert.rejects(open(clear, [key], true), /in the clear in the place of one that was sealed/);
});
