/**
 * Receives request bodies. Memory is bounded: a body of more than {@link SMALL_BYTES} takes room in a budget before it is read,
 * and its client is not read from until there is some. The room is given back once the body is on the queue or in the store,
 * or its request is over.
 */
import type { IncomingMessage } from 'node:http';
import { DispatchError } from '@penstock/protocol';
import type { GiveBack, SharedRoom } from '@penstock/runtime';
import type { FastifyRequest } from 'fastify';

/** Smaller bodies take no room in the budget: the number of connections bounds them. */
const SMALL_BYTES = 1024 * 1024;
/** How long a large body waits for room, ms. */
const ROOM_WAIT_MS = 10_000;
/** How long a client may send nothing in the middle of a large body, ms. */
const SILENCE_MS = 30_000;
/** How long a body may take that is kept in memory until it is whole, ms. */
const WHOLE_MS = 60_000;

export interface BodyReaderOptions {
  readonly limitBytes: number;
  readonly budget: SharedRoom;
  readonly roomWaitMs?: number;
  readonly wholeMs?: number;
  readonly silenceMs?: number;
}

/** Room that bodies of requests take. */
const held = new WeakMap<IncomingMessage, GiveBack>();

/** The body is needed no more: the framework would keep it for as long as the connection is busy. */
export function letGoOfBody(request: FastifyRequest): void {
  request.body = undefined;
  held.get(request.raw)?.();
  held.delete(request.raw);
}

export class BodyReader {
  readonly #o: BodyReaderOptions;

  constructor(options: BodyReaderOptions) {
    this.#o = options;
  }

  /**
   * Resolves with the whole body. @param tenant whose share of the budget it takes. Until {@link letGoOfBody} it takes room in the budget.
   * @throws DispatchError `body_too_large`, `too_many_large_bodies`, `body_timeout`, or `invalid_request` where it breaks off.
   */
  async read(raw: IncomingMessage, tenant: string): Promise<Buffer> {
    const declared = declaredIn(raw);
    if (declared !== null && declared > this.#o.limitBytes) throw this.#tooLarge();
    const pieces = new Pieces(raw, tenant, this.#o);
    try {
      await pieces.reserve(declared ?? 0);
      return await pieces.collect(declared, () => this.#tooLarge());
    } catch (err) {
      pieces.giveBack();
      throw err;
    }
  }

  /**
   * Hands a body on as it comes, and holds nothing of it. @param take may return a promise: until it is kept nothing more is read.
   * @throws DispatchError as {@link read}, but for room, and what `take` throws.
   */
  async receive(raw: IncomingMessage, take: Take): Promise<void> {
    const declared = declaredIn(raw);
    if (declared !== null && declared > this.#o.limitBytes) throw this.#tooLarge();
    let bytes = 0;
    await listen(raw, declared, { silenceMs: this.#o.silenceMs }, chunk => {
      bytes += chunk.length;
      if (bytes > this.#o.limitBytes) throw this.#tooLarge();
      return take(chunk);
    });
  }

  #tooLarge(): DispatchError {
    return new DispatchError('body_too_large', {
      message: `The body has more than the ${this.#o.limitBytes} bytes that this server accepts. Send less, or ask the operator to raise PENSTOCK_BODY_LIMIT_BYTES.`,
    });
  }
}

/** What has come of one body. */
class Pieces {
  readonly #raw: IncomingMessage;
  readonly #tenant: string;
  readonly #o: BodyReaderOptions;
  readonly #chunks: Buffer[] = [];
  /** Room for the whole of a large body, so that it is never in memory twice. */
  #whole: Buffer | null = null;
  #bytes = 0;
  #room: GiveBack[] = [];
  #isOver = false;

  constructor(raw: IncomingMessage, tenant: string, options: BodyReaderOptions) {
    this.#raw = raw;
    this.#tenant = tenant;
    this.#o = options;
  }

  /** Makes room for a body of so many bytes. */
  async reserve(bytes: number): Promise<void> {
    if (bytes <= SMALL_BYTES) return;
    const more = bytes - (this.#whole?.length ?? 0);
    const giveBack = await this.#o.budget.take(this.#tenant, more, this.#o.roomWaitMs ?? ROOM_WAIT_MS);
    if (giveBack === null) throw new DispatchError('too_many_large_bodies');
    this.#room.push(giveBack);
    if (this.#isOver) return this.giveBack();
    held.set(this.#raw, () => this.giveBack());
    const whole = Buffer.allocUnsafeSlow(bytes);
    let at = 0;
    for (const piece of this.#whole === null ? this.#chunks : [this.#whole.subarray(0, this.#bytes)])
      at += piece.copy(whole, at);
    this.#chunks.length = 0;
    this.#whole = whole;
  }

  giveBack(): void {
    this.#isOver = true;
    for (const giveBack of this.#room) giveBack();
    this.#room = [];
  }

  /** @param declared length, where the client names it. */
  async collect(declared: number | null, tooLarge: () => DispatchError): Promise<Buffer> {
    const { limitBytes, silenceMs, wholeMs = WHOLE_MS } = this.#o;
    await listen(this.#raw, declared, { silenceMs, wholeMs }, chunk => {
      const bytes = this.#bytes + chunk.length;
      if (bytes > limitBytes) throw tooLarge();
      const room = this.#whole?.length ?? SMALL_BYTES;
      if (bytes <= room) {
        this.#take(chunk);
        return null;
      }
      // Its client named no length.
      return this.reserve(Math.min(limitBytes, Math.max(2 * room, bytes))).then(() => this.#take(chunk));
    });
    if (this.#whole === null) return Buffer.concat(this.#chunks, this.#bytes);
    return this.#whole.subarray(0, this.#bytes);
  }

  #take(chunk: Buffer): void {
    if (this.#whole === null) this.#chunks.push(chunk);
    else chunk.copy(this.#whole, this.#bytes);
    this.#bytes += chunk.length;
  }
}

/** Takes a piece of a body. */
type Take = (chunk: Buffer) => Promise<void> | null;

function declaredIn({ headers }: IncomingMessage): number | null {
  return headers['content-length'] === undefined ? null : Number(headers['content-length']);
}

/** @property wholeMs none where absent. */
interface Patience {
  readonly silenceMs: number | undefined;
  readonly wholeMs?: number;
}

/** Resolves at the end of the body. */
function listen(
  raw: IncomingMessage,
  declared: number | null,
  { silenceMs = SILENCE_MS, wholeMs }: Patience,
  take: Take,
): Promise<void> {
  // The client may have left while there was no room.
  if (raw.destroyed) return Promise.reject(brokenOff());
  let bytes = 0;
  return new Promise((resolve, reject) => {
    const silence =
      declared !== null && declared <= SMALL_BYTES
        ? undefined
        : setTimeout(() => settle(new DispatchError('body_timeout')), silenceMs);
    const whole =
      wholeMs === undefined
        ? undefined
        : setTimeout(() => settle(new DispatchError('body_timeout')), wholeMs);
    const settle = (err: unknown) => {
      clearTimeout(silence);
      clearTimeout(whole);
      raw.off('data', onData).off('end', onEnd).off('error', onBroken).off('close', onBroken);
      if (err === null) resolve();
      else {
        raw.pause();
        reject(err);
      }
    };
    const onData = (chunk: Buffer) => {
      silence?.refresh();
      bytes += chunk.length;
      try {
        const room = take(chunk);
        if (room === null) return;
        raw.pause();
        room.then(() => raw.resume(), settle);
      } catch (err) {
        settle(err);
      }
    };
    const onEnd = () => {
      const isWhole = declared === null || bytes === declared;
      settle(isWhole ? null : brokenOff());
    };
    const onBroken = () => settle(brokenOff());
    raw.on('data', onData).on('end', onEnd).on('error', onBroken).on('close', onBroken);
  });
}

function brokenOff(): DispatchError {
  return new DispatchError('invalid_request', {
    message: 'The body broke off before its end. Send the request again.',
  });
}
