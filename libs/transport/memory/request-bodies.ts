import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { assertToken, type BodyClaim, DispatchError } from '@penstock/protocol';
import type { KeptBody, RequestBodies } from '../ports/queue/request-bodies.ts';
import type { MemoryClock } from './clock.ts';

/** Bodies of requests in a map. */
export class MemoryRequestBodies implements RequestBodies {
  readonly #clock: MemoryClock;
  readonly #kept = new Map<string, KeptBody & { readonly body: Buffer }>();

  constructor(clock: MemoryClock) {
    this.#clock = clock;
  }

  async put(id: string, body: Uint8Array | Readable): Promise<BodyClaim> {
    const whole = body instanceof Readable ? Buffer.concat(await body.toArray()) : Buffer.from(body);
    this.#kept.set(assertToken(id), { id, storedAt: this.#clock.now(), body: whole });
    return claimOf(whole);
  }

  async read(id: string, { digest, bytes }: BodyClaim): Promise<Buffer> {
    const kept = this.#kept.get(id);
    const remedy = 'PENSTOCK_FILES_DIR or PENSTOCK_FILES_S3_BUCKET';
    if (kept === undefined) throw new DispatchError('body_unavailable', { message: `not there: ${remedy}` });
    const found = claimOf(kept.body);
    if (found.digest !== digest || found.bytes !== bytes)
      throw new DispatchError('body_unavailable', { message: 'damaged' });
    return kept.body;
  }

  async open(id: string, claim: BodyClaim): Promise<Readable> {
    return Readable.from([await this.read(id, claim)]);
  }

  async drop(id: string): Promise<void> {
    this.#kept.delete(id);
  }

  async *list(): AsyncGenerator<KeptBody> {
    for (const { id, storedAt } of this.#kept.values()) yield { id, storedAt };
  }

  async tidy(): Promise<void> {}
}

function claimOf(body: Buffer): BodyClaim {
  return { digest: createHash('sha256').update(body).digest('hex'), bytes: body.length };
}
