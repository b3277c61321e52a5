/** Bodies of requests on their way into a store and out of it, without holding up the process: hashing 50 MB takes 100 ms. */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { type BodyClaim, DispatchError } from '@penstock/protocol';

const PIECE_BYTES = 1024 * 1024;

/** The pieces of a body, with other work let in between. */
export async function* piecesOf(body: Uint8Array): AsyncGenerator<Buffer> {
  const whole = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  for (let at = 0; at < whole.length; at += PIECE_BYTES) {
    yield whole.subarray(at, at + PIECE_BYTES);
    await turn();
  }
}

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
  const { whole, digest, bytes } = await collect(open, claim.bytes).catch(err => {
    const message = 'The stored body of this request could not be read.';
    throw new DispatchError('body_unavailable', { message, cause: err });
  });
  if (whole === null)
    throw new DispatchError('body_unavailable', {
      message: `The stored body of this request is not in the store of the worker that took it. ${REMEDY}`,
    });
  if (bytes !== claim.bytes || digest !== claim.digest)
    throw new DispatchError('body_unavailable', {
      message: `The stored body of this request is damaged: ${bytes} bytes of ${claim.bytes}, or others than were sent. Send it again.`,
    });
  return whole;
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
