/**
 * Writes one dispatched answer to one client. Headers are held until the first bytes, so TTFB is TTFT; only a stream
 * that has waited long gets them early. SSE comments keep proxies from giving up, also in the middle of a stream that is silent.
 */
import type { ServerResponse } from 'node:http';
import { clientContentType, DispatchError, JSON_CONTENT_TYPE, type ResultMeta } from '@penstock/protocol';
import type { FastifyRequest } from 'fastify';
import type { Dialect } from '../http/errors.ts';
import { baseHeaders, errorHeaders } from '../http/headers.ts';
import type { AnswerRoom, HeldAnswer } from '../sending/answer-room.ts';
import { AnswerWriter } from '../sending/answer-writer.ts';
import type { ReplySink, Served } from './reply-sink.ts';

/** Unsent bytes at which a slow reader is cut off, beside the longest that was written at once: no reader takes that in no time. */
const MAX_BUFFERED = 1024 * 1024;
/** Less is not counted: connections of readers that keep up hold that much now and then. */
const LITTLE = 16 * 1024;
const KEEPALIVE = Buffer.from(': waiting\n\n');

export interface HttpReplyOptions {
  readonly raw: ServerResponse;
  readonly tenant: string;
  readonly room: AnswerRoom;
  /** Ends the work on it, since its answer has no room here. */
  readonly abandon: () => void;
  /** What names it to the client. */
  readonly request: Pick<FastifyRequest, 'id' | 'headers'>;
  readonly dialect: Dialect;
  readonly streamed: boolean;
  readonly keepAliveMs: number;
  /** Sent beside the usual ones. */
  readonly headers: Readonly<Record<string, string>>;
  /** Since the request came in, ms. */
  readonly tookMs: () => number;
}

export class HttpReply implements ReplySink {
  readonly #o: HttpReplyOptions;
  readonly #writer: AnswerWriter;
  /** Null while it is next to nothing. */
  #held: HeldAnswer | null = null;
  /** When something was written, as far as it is known: time is told once a second. */
  #lastWriteMs = 0;
  #hasWritten = false;
  #longestWrite = 0;
  #finished = false;

  constructor(options: HttpReplyOptions) {
    this.#o = options;
    this.#writer = new AnswerWriter(options.raw);
  }

  /** So many bytes of its answer have come, and it is not whole yet. */
  collecting(bytes: number): void {
    if (!this.#o.raw.destroyed) this.#hold().collected(bytes);
  }

  events(bytes: Buffer, served: Served): void {
    this.#open(served);
    this.#write(bytes);
  }

  end(bytes: Buffer, served: Served | null): void {
    if (this.#o.raw.destroyed) return;
    this.#open(served);
    this.#finish(bytes);
  }

  result(meta: ResultMeta, body: Buffer, served: Served | null): void {
    const { raw } = this.#o;
    if (raw.destroyed) return;
    if (raw.headersSent) {
      // Only a stream whose headers went out early gets here: the engine answered with an error body.
      this.#finish(this.#errorEvent(body));
      return;
    }
    raw.writeHead(meta.status, {
      'content-type': clientContentType(meta.contentType),
      'content-length': body.length,
      ...this.#headers(served),
    });
    this.#finish(body);
  }

  error(error: DispatchError, served: Served | null): void {
    const { raw } = this.#o;
    if (raw.destroyed) return;
    const body = Buffer.from(JSON.stringify(this.#o.dialect.errorBody(error)));
    if (raw.headersSent) {
      this.#finish(this.#errorEvent(body));
      return;
    }
    raw.writeHead(error.status, {
      'content-type': JSON_CONTENT_TYPE,
      'content-length': body.length,
      ...errorHeaders(error),
      ...this.#headers(served),
    });
    this.#finish(body);
  }

  /** Answers 202 with the location of the stored run. */
  accepted(run: object, headers: Record<string, string>): void {
    const { raw } = this.#o;
    if (raw.destroyed || raw.headersSent) return;
    const body = Buffer.from(JSON.stringify(run));
    raw.writeHead(202, {
      'content-type': JSON_CONTENT_TYPE,
      'content-length': body.length,
      ...this.#headers(null),
      ...headers,
    });
    this.#finish(body);
  }

  waiting(waitedMs: number): void {
    const { raw, streamed, keepAliveMs } = this.#o;
    if (this.#hasWritten) this.#lastWriteMs = waitedMs;
    this.#hasWritten = false;
    if (!streamed || raw.destroyed || waitedMs - this.#lastWriteMs < keepAliveMs) return;
    this.#lastWriteMs = waitedMs;
    this.#open(null);
    this.#write(KEEPALIVE);
  }

  #open(served: Served | null): void {
    if (this.#o.raw.headersSent) return;
    this.#o.raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
      ...this.#headers(served),
    });
  }

  #write(bytes: Buffer): void {
    const { raw } = this.#o;
    if (raw.destroyed) return;
    this.#writer.write(bytes);
    this.#hasWritten = true;
    this.#longestWrite = Math.max(this.#longestWrite, bytes.length);
    if (this.#writer.unsentBytes > MAX_BUFFERED + this.#longestWrite) raw.destroy();
    else this.#count();
  }

  #finish(bytes: Buffer): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#held?.collected(0);
    this.#writer.end(bytes);
    this.#count();
  }

  #count(): void {
    if (this.#writer.unsentBytes <= LITTLE && this.#held === null) return;
    this.#hold().writing(() => this.#writer.heldBytes);
  }

  #hold(): HeldAnswer {
    if (this.#held !== null) return this.#held;
    const { room, raw, tenant } = this.#o;
    this.#held = room.of(raw, tenant);
    this.#held.onGiveUp = () => this.#giveUp();
    return this.#held;
  }

  #giveUp(): void {
    const { raw, abandon } = this.#o;
    if (raw.headersSent) raw.destroy();
    else this.error(new DispatchError('too_many_large_answers'), null);
    abandon();
  }

  #errorEvent(body: Buffer): Buffer {
    return Buffer.from(this.#o.dialect.errorEvent(body.toString('utf8')));
  }

  #headers(served: Served | null): Record<string, string | number> {
    return {
      ...baseHeaders(this.#o.request, this.#o.tookMs()),
      ...this.#o.dialect.headers,
      ...this.#o.headers,
      ...(served === null
        ? {}
        : {
            'x-penstock-worker': served.worker,
            'x-penstock-attempt': served.attempt,
            'x-penstock-queue-wait-ms': served.waitMs,
          }),
    };
  }
}
