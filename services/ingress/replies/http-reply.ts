/**
 * Writes one dispatched answer to one client. Headers are held until the first bytes, so TTFB is TTFT; only a stream
 * that has waited long gets them early. SSE comments keep proxies from giving up, also in the middle of a stream that is silent.
 */
import type { ServerResponse } from 'node:http';
import { type DispatchError, JSON_CONTENT_TYPE, type ResultMeta } from '@penstock/protocol';
import type { FastifyRequest } from 'fastify';
import type { Dialect } from '../http/errors.ts';
import { baseHeaders, errorHeaders } from '../http/headers.ts';
import type { ReplySink, Served } from './reply-sink.ts';

/** Unsent bytes at which a slow reader is cut off, beside the longest that was written at once: no reader takes that in no time. */
const MAX_BUFFERED = 1024 * 1024;
const KEEPALIVE = Buffer.from(': waiting\n\n');

export interface HttpReplyOptions {
  readonly raw: ServerResponse;
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
  /** When something was written, as far as it is known: time is told once a second. */
  #lastWriteMs = 0;
  #hasWritten = false;
  #longestWrite = 0;
  #finished = false;

  constructor(options: HttpReplyOptions) {
    this.#o = options;
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
      'content-type': meta.contentType,
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
    raw.write(bytes);
    this.#hasWritten = true;
    this.#longestWrite = Math.max(this.#longestWrite, bytes.length);
    if (raw.writableLength > MAX_BUFFERED + this.#longestWrite) raw.destroy();
  }

  #finish(bytes: Buffer): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#o.raw.end(bytes);
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
