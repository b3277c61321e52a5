/**
 * Long contents, sealed in slices, so that neither side holds more than one: `mark and version | length of the key id | key id | salt`, then for each 64 KiB its
 * ciphertext and tag. Each content has a key of its own, derived with its salt, so a slice's number can be its nonce; the last one says in it that it is the
 * last, so that nothing can be cut off, repeated or put in another order.
 */
import { hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { asBuffer } from '@penstock/protocol';
import { decrypt, encrypt, KEY_BYTES, NONCE_BYTES, TAG_BYTES, toKey } from './aes-gcm.ts';
import { type RecordKey, SealError } from './sealed-bytes.ts';

const MARK = Buffer.from([0xc1, 0x50, 0x53, 0x02]);
const SALT_BYTES = 16;
const SLICE_BYTES = 64 * 1024;
const NOTHING = Buffer.alloc(0);

export interface SealedStream {
  readonly stream: Readable;
  /** Of the content, once the stream has ended. */
  bytes(): number;
}

export function sealStreamWith(by: RecordKey, content: AsyncIterable<Uint8Array>): SealedStream {
  let bytes = 0;
  async function* slices() {
    const salt = randomBytes(SALT_BYTES);
    const key = streamKeyOf(by, salt);
    const id = Buffer.from(by.keyId, 'latin1');
    yield Buffer.concat([MARK, Buffer.from([id.length]), id, salt]);
    let index = 0;
    let waiting: Buffer = NOTHING;
    for await (const piece of content) {
      bytes += piece.length;
      waiting = waiting.length === 0 ? asBuffer(piece) : Buffer.concat([waiting, piece]);
      for (; waiting.length > SLICE_BYTES; waiting = waiting.subarray(SLICE_BYTES))
        yield sealSlice(key, index++, false, waiting.subarray(0, SLICE_BYTES));
    }
    yield sealSlice(key, index, true, waiting);
  }
  return { stream: Readable.from(slices(), { objectMode: false }), bytes: () => bytes };
}

/**
 * What was kept in the clear comes as it is.
 * @param keysOf gives the keys of the records that it may belong to, by the id of their data key; throws SealError. @param isSealed what is in the clear is refused.
 * @throws what `keysOf` throws, and SealError. The stream fails where something is not what was sealed.
 */
export async function openStreamWith(
  source: Readable,
  keysOf: (keyId: string) => Promise<readonly RecordKey[]>,
  isSealed = false,
): Promise<Readable> {
  const pieces = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  try {
    const head = await readHead(pieces);
    if (head.keyId === null && isSealed)
      throw new SealError('a content is in the clear in the place of one that was sealed');
    const keys = head.keyId === null ? [] : await keysOf(head.keyId);
    const content =
      head.keyId === null
        ? plain(head.rest, pieces)
        : opened(
            keys.map(by => streamKeyOf(by, head.salt)),
            head.rest,
            pieces,
          );
    return whoseEndEnds(source, Readable.from(content, { objectMode: false }));
  } catch (err) {
    source.destroy();
    throw err;
  }
}

/** A generator that was not begun, or that waits for its source, would not let go of it: whoever reads a file may leave at any moment. */
function whoseEndEnds(source: Readable, stream: Readable): Readable {
  const end = stream._destroy.bind(stream);
  stream._destroy = (err, done) => {
    source.destroy();
    end(err, done);
  };
  return stream;
}

interface Head {
  /** Null for a content in the clear. */
  readonly keyId: string | null;
  readonly salt: Buffer;
  readonly rest: Buffer;
}

async function readHead(pieces: AsyncIterator<Buffer>): Promise<Head> {
  let read: Buffer = NOTHING;
  const more = async () => {
    const { value, done } = await pieces.next();
    if (done !== true) read = Buffer.concat([read, value]);
    return done !== true;
  };
  const isMarked = () => read.length >= MARK.length && read.subarray(0, MARK.length).equals(MARK);
  while (read.length < MARK.length + 1 && MARK.subarray(0, read.length).equals(read.subarray(0, MARK.length)))
    if (!(await more())) break;
  if (!isMarked()) return { keyId: null, salt: NOTHING, rest: read };
  while (read.length < MARK.length + 1) if (!(await more())) throw cutShort();
  const idEnd = MARK.length + 1 + (read[MARK.length] ?? 0);
  while (read.length < idEnd + SALT_BYTES) if (!(await more())) throw cutShort();
  return {
    keyId: read.toString('latin1', MARK.length + 1, idEnd),
    salt: read.subarray(idEnd, idEnd + SALT_BYTES),
    rest: read.subarray(idEnd + SALT_BYTES),
  };
}

async function* plain(first: Buffer, pieces: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (first.length > 0) yield first;
  yield* { [Symbol.asyncIterator]: () => pieces };
}

/** The first slice tells which of the keys it is. */
async function* opened(
  keys: readonly KeyObject[],
  first: Buffer,
  pieces: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer> {
  const sliceBytes = SLICE_BYTES + TAG_BYTES;
  let waiting = first;
  let index = 0;
  let mine = keys;
  const open = (isLast: boolean, sealed: Buffer): Buffer => {
    const { key, content } = openSlice(mine, index++, isLast, sealed);
    mine = [key];
    return content;
  };
  for (;;) {
    for (; waiting.length > sliceBytes; waiting = waiting.subarray(sliceBytes))
      yield open(false, waiting.subarray(0, sliceBytes));
    const { value, done } = await pieces.next();
    if (done === true) break;
    waiting = waiting.length === 0 ? value : Buffer.concat([waiting, value]);
  }
  const last = open(true, waiting);
  if (last.length > 0) yield last;
}

function sealSlice(key: KeyObject, index: number, isLast: boolean, content: Buffer): Buffer {
  return encrypt(key, nonceOf(index, isLast), content);
}

function openSlice(keys: readonly KeyObject[], index: number, isLast: boolean, sealed: Buffer) {
  if (sealed.length < TAG_BYTES) throw cutShort();
  for (const key of keys) {
    const content = decrypt(key, nonceOf(index, isLast), sealed);
    if (content !== null) return { key, content };
  }
  throw new SealError('a content that was sealed was changed or cut short, or belongs elsewhere');
}

function nonceOf(index: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUIntBE(index, 0, 6);
  nonce[NONCE_BYTES - 1] = isLast ? 1 : 0;
  return nonce;
}

/** Bound to the place, since the key of the record is. */
function streamKeyOf({ key }: RecordKey, salt: Buffer): KeyObject {
  return toKey(Buffer.from(hkdfSync('sha256', key, salt, 'penstock stream 1', KEY_BYTES)));
}

function cutShort(): SealError {
  return new SealError('a content that was sealed is cut short');
}
