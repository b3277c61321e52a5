/** Bodies of requests on their way into a store and out of it. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { type BodyClaim, DispatchError } from '@penstock/protocol';
import { piecesOf } from '../ports/queue/body-pieces.ts';

export async function claimOf(body: Uint8Array): Promise<BodyClaim> {
  const hash = createHash('sha256');
  for await (const piece of piecesOf(body)) hash.update(piece);
  return { digest: hash.digest('hex'), bytes: body.byteLength };
}

const REMEDY =
  'PENSTOCK_FILES_DIR has to be one directory that all ingress nodes, workers and tasks processes share; or set PENSTOCK_FILES_S3_BUCKET at all of them.';

/**
 * Reads a body whole.
 * @param open gives null where the body is not there.
 * @throws DispatchError `body_unavailable`
 */
export async function readChecked(open: () => Promise<Readable | null>, claim: BodyClaim): Promise<Buffer> {
  const { whole, digest, bytes } = await collect(open, claim.bytes).catch(unreadable);
  if (whole === null) throw missing();
  if (bytes !== claim.bytes || digest !== claim.digest) throw damaged(bytes, claim);
  return whole;
}

/** As {@link readChecked}, as a stream that fails before its last piece where it is not what was put. */
export async function openChecked(open: () => Promise<Readable | null>, claim: BodyClaim): Promise<Readable> {
  const source = await open().catch(unreadable);
  if (source === null) throw missing();
  return Readable.from(checkedPieces(source, claim));
}

/** A content by the digest of its bytes: fails before its last piece where it is another. Null where it is not there. */
export async function openNamed(
  open: () => Promise<Readable | null>,
  digest: string,
): Promise<Readable | null> {
  const source = await open();
  return source === null ? null : Readable.from(namedPieces(source, digest), { objectMode: false });
}

async function* namedPieces(source: AsyncIterable<Buffer>, digest: string): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let held: Buffer | null = null;
  for await (const piece of source) {
    hash.update(piece);
    if (held !== null) yield held;
    held = piece;
  }
  if (hash.digest('hex') !== digest) throw new Error('what is stored of a file is not what was put there');
  if (held !== null) yield held;
}

async function* checkedPieces(source: AsyncIterable<Buffer>, claim: BodyClaim): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let bytes = 0;
  let held: Buffer | null = null;
  for await (const piece of pieceByPiece(source)) {
    bytes += piece.length;
    hash.update(piece);
    if (bytes > claim.bytes) throw damaged(bytes, claim);
    if (held !== null) yield held;
    held = piece;
  }
  if (bytes !== claim.bytes || hash.digest('hex') !== claim.digest) throw damaged(bytes, claim);
  if (held !== null) yield held;
}

async function* pieceByPiece(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* source;
  } catch (err) {
    unreadable(err);
  }
}

function unreadable(err: unknown): never {
  const message = 'The stored body of this request could not be read.';
  throw new DispatchError('body_unavailable', { message, cause: err });
}

function missing(): DispatchError {
  return new DispatchError('body_unavailable', {
    message: `The stored body of this request is not in the store of the worker that took it. ${REMEDY}`,
  });
}

function damaged(bytes: number, claim: BodyClaim): DispatchError {
  return new DispatchError('body_unavailable', {
    message: `The stored body of this request is damaged: ${bytes} bytes of ${claim.bytes}, or others than were sent. Send it again.`,
  });
}

async function collect(open: () => Promise<Readable | null>, most: number) {
  const source = await open();
  if (source === null) return { whole: null, digest: '', bytes: 0 };
  const whole = Buffer.allocUnsafeSlow(most);
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of source as AsyncIterable<Buffer>) {
    if (bytes + piece.length <= most) piece.copy(whole, bytes);
    bytes += piece.length;
    hash.update(piece);
    // A longer one is another body: no need to read the rest.
    if (bytes > most) break;
  }
  return { whole, digest: hash.digest('hex'), bytes };
}
