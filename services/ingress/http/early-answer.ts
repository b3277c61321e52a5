/**
 * Answers a request whose body has not come whole. Many clients send all of their body before they read: closing the
 * connection on them loses the answer, and they send the request again. So the answer is sent at once, and what still comes is
 * read and dropped for a while before the connection is closed.
 */
import type { IncomingMessage } from 'node:http';
import type { FastifyReply } from 'fastify';

/** What is read of a body that nobody wants, at most. */
export interface DrainLimits {
  readonly bytes: number;
  /** In all, ms. */
  readonly ms: number;
  /** Without anything coming, ms. */
  readonly silenceMs: number;
}

const DRAIN: DrainLimits = { bytes: 256 * 1024 * 1024, ms: 30_000, silenceMs: 5000 };
/** Of one whose sender is not known nothing more is read; its client has so long to see the answer. */
export const NO_DRAIN: DrainLimits = { bytes: 0, ms: 1000, silenceMs: 1000 };
/** Less than this comes by itself, and the connection can be used again. */
const LITTLE_BYTES = 64 * 1024;

/** Whether much of its body may still come. */
export function isStillSending(request: IncomingMessage): boolean {
  if (request.complete || request.destroyed) return false;
  const length = request.headers['content-length'];
  if (length === undefined) return request.headers['transfer-encoding'] !== undefined;
  return Number(length) > LITTLE_BYTES;
}

/** Sends an answer of JSON, then drains the body and closes the connection. */
export function answerEarly(
  reply: FastifyReply,
  status: number,
  headers: Readonly<Record<string, string | number>>,
  body: string,
  limits: DrainLimits = DRAIN,
): void {
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body), connection: 'close' });
  // Whole for the client. Node would break the connection off after `end`.
  raw.write(body);
  drain(raw.req, limits, () => raw.end());
}

function drain(request: IncomingMessage, limits: DrainLimits, done: () => void): void {
  let left = limits.bytes;
  const stop = () => {
    clearTimeout(silence);
    clearTimeout(total);
    request.off('data', onData).off('end', stop).off('close', stop);
    done();
  };
  const onData = (chunk: Buffer) => {
    silence.refresh();
    left -= chunk.length;
    if (left < 0) stop();
  };
  const silence = setTimeout(stop, limits.silenceMs);
  const total = setTimeout(stop, limits.ms);
  request.on('error', () => {});
  if (limits.bytes === 0) {
    request.pause().on('close', stop);
    return;
  }
  request.on('data', onData).on('end', stop).on('close', stop).resume();
}
