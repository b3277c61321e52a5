/** Bodies of requests that are too large for a message, sealed under the key of the request's record, which its worker is given. */
import { Readable } from 'node:stream';
import { type BodyClaim, DispatchError } from '@penstock/protocol';
import { piecesOf } from '../ports/queue/body-pieces.ts';
import type { KeptBody, RequestBodies } from '../ports/queue/request-bodies.ts';
import type { Seals } from '../ports/sealing/seals.ts';
import { runRecord } from '../vault/work-seals.ts';

export class SealedBodies implements RequestBodies {
  readonly #bodies: RequestBodies;
  readonly #seals: Seals;

  constructor(bodies: RequestBodies, seals: Seals) {
    this.#bodies = bodies;
    this.#seals = seals;
  }

  async put(id: string, body: Uint8Array | Readable, project: string): Promise<BodyClaim> {
    const sealer = await this.#seals.sealer(project, runRecord(id));
    if (sealer === null) return this.#bodies.put(id, body, project);
    const content = body instanceof Readable ? body : Readable.from(piecesOf(body));
    const { stream, bytes } = sealer.sealStream(content);
    const stored = await this.#bodies.put(id, stream, project);
    return { digest: stored.digest, bytes: bytes(), sealed: { bytes: stored.bytes, key: sealer.keyId } };
  }

  async read(id: string, claim: BodyClaim): Promise<Buffer> {
    if (claim.sealed === undefined) return this.#bodies.read(id, claim);
    const whole = Buffer.allocUnsafeSlow(claim.bytes);
    let at = 0;
    for await (const piece of (await this.open(id, claim)) as AsyncIterable<Buffer>) {
      if (at + piece.length > whole.length) throw damaged();
      at += piece.copy(whole, at);
    }
    if (at !== whole.length) throw damaged();
    return whole;
  }

  async open(id: string, claim: BodyClaim): Promise<Readable> {
    const { sealed, digest } = claim;
    if (sealed === undefined) return this.#bodies.open(id, claim);
    const stored = await this.#bodies.open(id, { digest, bytes: sealed.bytes });
    return this.#seals.openStream(null, [runRecord(id)], stored, true).catch(err => {
      throw damaged(err);
    });
  }

  drop(id: string): Promise<void> {
    return this.#bodies.drop(id);
  }

  list(): AsyncIterable<KeptBody> {
    return this.#bodies.list();
  }

  tidy(): Promise<void> {
    return this.#bodies.tidy();
  }
}

function damaged(cause?: unknown): DispatchError {
  const message = 'The stored body of this request cannot be decrypted here, or is damaged. Send it again.';
  return new DispatchError('body_unavailable', { message, cause });
}
