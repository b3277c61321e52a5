/** A form on its way from the store to the engine: only a few pieces of it are in memory. */
import { pipeline, type Readable, Transform, type TransformCallback } from 'node:stream';
import type { BodyClaim } from '@penstock/protocol';

/** Of the beginning, and of the end. */
const SAID_BYTES = 64 * 1024;

export class BodyStream extends Transform {
  /** How many bytes it has in all. */
  readonly bytes: number;
  readonly #span: BodyClaim['model'];
  readonly #model: Buffer;
  #at = 0;
  #first: Buffer = Buffer.alloc(0);
  #last: Buffer = Buffer.alloc(0);

  /** @param model its name at the engine, where the client called it by another. */
  constructor(source: Readable, claim: BodyClaim, model: string) {
    super();
    this.#span = claim.model;
    this.#model = Buffer.from(model);
    const more = claim.model === undefined ? 0 : this.#model.length - claim.model.bytes;
    this.bytes = claim.bytes + more;
    // What is wrong with the source is this stream's error, which the engine's call fails with.
    pipeline(source, this, () => {});
  }

  /** What is known of what was sent: text fields stand at the beginning or at the end of a form. */
  get said(): Buffer {
    return Buffer.concat([this.#first, this.#last]);
  }

  override _transform(piece: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#first.length === 0) this.#first = Buffer.from(piece.subarray(0, SAID_BYTES));
    this.#last = piece.subarray(-SAID_BYTES);
    const start = this.#at;
    this.#at += piece.length;
    if (this.#span === undefined) return done(null, piece);
    const { at, bytes } = this.#span;
    const inside = (offset: number) => Math.min(piece.length, Math.max(0, offset - start));
    const isHere = start <= at && at < this.#at;
    for (const part of [piece.subarray(0, inside(at)), isHere ? this.#model : null])
      if (part !== null && part.length > 0) this.push(part);
    const rest = piece.subarray(inside(at + bytes));
    done(null, rest.length > 0 ? rest : undefined);
  }
}
