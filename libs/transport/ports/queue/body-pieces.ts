/** Long work on bytes, cut up so that it does not hold up the process: hashing or sealing 50 MB takes 100 ms. */
import { setImmediate as turn } from 'node:timers/promises';
import { asBuffer } from '@penstock/protocol';

const PIECE_BYTES = 1024 * 1024;

/** The pieces of a body, with other work let in between. */
export async function* piecesOf(body: Uint8Array): AsyncGenerator<Buffer> {
  const whole = asBuffer(body);
  for (let at = 0; at < whole.length; at += PIECE_BYTES) {
    yield whole.subarray(at, at + PIECE_BYTES);
    await turn();
  }
}
