/**
 * Receives multipart forms. A form that is too large for a message goes to the store of request bodies while it comes: of a recording of
 * 50 MB this process never holds more than a message may have. What is read of it are its fields.
 */
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { type BodyClaim, DispatchError } from '@penstock/protocol';
import type { RequestBodies } from '@penstock/transport';
import type { FastifyRequest } from 'fastify';
import { FormFields } from './form.ts';
import { FieldLocator, FormDigest, type Span } from './form-scan.ts';
import { isKeyed } from './idempotency.ts';

export interface FormBody {
  readonly contentType: string;
  readonly fields: Readonly<Record<string, string>>;
  /** Its bytes; none where it is in the store. */
  readonly body: Buffer;
  /** Set where it is in the store, under the request's id. */
  readonly claim: BodyClaim | null;
  /** Where the model's name stands in its bytes. */
  readonly model: Span | null;
}

/** Hands a body on as it comes. */
export interface BodyReceiver {
  /** @param take may return a promise: until it is kept nothing more is read. */
  receive(raw: IncomingMessage, take: (piece: Buffer) => Promise<void> | null): Promise<void>;
}

export interface FormReaderOptions {
  readonly reader: BodyReceiver;
  readonly bodies: Pick<RequestBodies, 'put' | 'drop'>;
  /** Bytes of the longest body that a message carries itself. */
  readonly mostInline: number;
}

export class FormReader {
  readonly #o: FormReaderOptions;

  constructor(options: FormReaderOptions) {
    this.#o = options;
  }

  /**
   * Reads the whole form. Where it is in the store it stays there until it is dropped, here or by whoever ends its request.
   * @throws DispatchError where it cannot be received or is not a form; then nothing of it is left.
   */
  async receive(request: FastifyRequest): Promise<FormBody> {
    const contentType = request.headers['content-type'] ?? '';
    const fields = new FormFields(contentType);
    const locator = new FieldLocator(contentType, 'model');
    const digest = isKeyed(request) ? new FormDigest(contentType) : null;
    const spool = new Spool(this.#o, request);
    try {
      await this.#o.reader.receive(request.raw, piece => {
        locator.push(piece);
        digest?.push(piece);
        return both(fields.push(piece), spool.push(piece));
      });
      const read = await fields.end();
      // What a key is compared by.
      if (digest !== null) request.body = digest.digest();
      return { contentType, fields: read, model: locator.found, ...(await spool.end()) };
    } catch (err) {
      await spool.abort();
      throw err;
    }
  }

  /** The form's request was refused. Never rejects: what could not be dropped is swept. */
  async discard(request: FastifyRequest, { claim }: Pick<FormBody, 'claim'>): Promise<void> {
    if (claim !== null) await this.#o.bodies.drop(request.id).catch(() => {});
  }
}

function both(one: Promise<void> | null, other: Promise<void> | null): Promise<void> | null {
  return one === null || other === null ? (one ?? other) : Promise.all([one, other]).then(() => {});
}

/** Holds what comes until it is more than a message carries; then hands it and all the rest on to the store. */
class Spool {
  readonly #o: FormReaderOptions;
  readonly #id: string;
  readonly #tenant: string;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;
  #stream: PassThrough | null = null;
  #stored: Promise<BodyClaim> | null = null;

  constructor(options: FormReaderOptions, { id, tenant }: Pick<FastifyRequest, 'id' | 'tenant'>) {
    this.#o = options;
    this.#id = id;
    this.#tenant = tenant;
  }

  /** Null where more may come at once. */
  push(piece: Buffer): Promise<void> | null {
    if (this.#stream === null) {
      this.#pieces.push(piece);
      this.#bytes += piece.length;
      return this.#bytes > this.#o.mostInline ? this.#open() : null;
    }
    return this.#stream.write(piece) ? null : this.#room(this.#stream);
  }

  #open(): Promise<void> | null {
    const stream = new PassThrough();
    // Who breaks it off knows; the store may not be listening yet.
    stream.on('error', () => {});
    this.#stream = stream;
    this.#stored = this.#o.bodies.put(this.#id, stream, this.#tenant).catch(err => {
      throw new DispatchError('storage_unavailable', { cause: err });
    });
    this.#stored.catch(() => {});
    const isFull = this.#pieces.map(each => stream.write(each)).includes(false);
    this.#pieces.length = 0;
    return isFull ? this.#room(stream) : null;
  }

  /** Rejects where the store fails: it would take nothing more, for ever. */
  async #room(stream: PassThrough): Promise<void> {
    const drained = new Promise<void>(resolve => stream.once('drain', resolve));
    await Promise.race([drained, this.#stored]);
  }

  async end(): Promise<{ readonly body: Buffer; readonly claim: BodyClaim | null }> {
    if (this.#stored === null) return { body: Buffer.concat(this.#pieces, this.#bytes), claim: null };
    this.#stream?.end();
    return { body: Buffer.alloc(0), claim: await this.#stored };
  }

  /** Resolves when nothing of it is left. */
  async abort(): Promise<void> {
    this.#stream?.destroy(new Error('broken off'));
    const isStored = await this.#stored?.then(
      () => true,
      () => false,
    );
    if (isStored) await this.#o.bodies.drop(this.#id).catch(() => {});
  }
}
