/**
 * Replies on their way from a worker to the ingress that holds the client.
 *
 * A worker joins everything it has for one ingress in one tick into a **packet**; a packet holds **frames**, each for
 * one attempt of one request. Layout (big endian), also in docs/protocol.md:
 *
 *     packet  = "P" version:u8(5) workerLen:u8 worker waitMs:u32 tokensPerSec:u32 cacheTokens:f64 frame*
 *     frame   = length:u32 kind:u8 attempt:u16 nonce:u48 seq:u32 idLen:u8 id metaLen:u16 meta body
 *
 * `waitMs` and `tokensPerSec` are the worker's quote at that moment: how long a new prompt would wait before its prefill
 * begins, and how fast prompts are computed; `cacheTokens` how many tokens it ever put into its cache. `length` counts the bytes after itself. `seq` starts at 0 for an attempt and rises by one with each of its frames.
 *
 * A frame that is too long for a packet is split: `part` frames hold the beginning of its body, and the frame itself the end.
 *
 * Packets of version 4 are read, too, which have no parts, so that workers may be upgraded after ingress nodes.
 *
 * Whoever reads a packet does not believe its sender: what is returned of it has names that are tokens, numbers in their ranges, and the
 * meta of its kind. A frame that has not is left out and counted.
 */
import { MOST_TOKENS_PER_SEC } from './fields.ts';
import { isMetaOf } from './frame-meta.ts';
import { isToken } from './token.ts';

/**
 * Which attempt at a request is meant. Numbers alone do not say it: they follow the broker's count of deliveries, and a broker
 * that was killed forgets counts and hands a message out again under a number that is taken.
 */
export interface AttemptKey {
  readonly number: number;
  /**
   * Drawn at random by the worker for each attempt, below 2^48 and never 0. With the worker's name and the number nobody else has
   * it: no other worker, no other process of that name, and no other attempt of that process.
   */
  readonly nonce: number;
}

/** In place of the nonce of a worker that sends none. */
export const NO_NONCE = 0;
/** Numbers of attempts that a request can have on one subject. A frame has room for 64 times as many. */
export const ATTEMPTS_A_SUBJECT = 1024;

/**
 * Whether an attempt is of a subject that the request has left. That part of its number comes from here; the rest is the broker's
 * count of deliveries, which may start anew.
 */
export function isOfOlderSubject(attempt: number, current: number): boolean {
  return Math.floor(attempt / ATTEMPTS_A_SUBJECT) < Math.floor(current / ATTEMPTS_A_SUBJECT);
}

/** Above every attempt that may still come of the subject that a request leaves. */
export function nextAttemptBase(attempt: number): number {
  return (Math.floor(attempt / ATTEMPTS_A_SUBJECT) + 1) * ATTEMPTS_A_SUBJECT;
}

/** What a frame says. `end`, `result` and `failed` are final for their attempt. */
export const FRAME_KINDS = {
  /** The worker took the request. meta: {@link AcceptedMeta}. */
  accepted: 1,
  /** Whole SSE events exactly as the engine sent them. */
  events: 2,
  /** The stream is complete. body: the last events, if any. */
  end: 3,
  /** A whole non-streamed answer. meta: {@link ResultMeta}. */
  result: 4,
  /** The attempt failed. meta: {@link FailedMeta}. */
  failed: 5,
  /** The beginning of the body of the attempt's next frame that is no part, after those that came before. */
  part: 6,
} as const;
export type FrameKind = keyof typeof FRAME_KINDS;

const KIND_NAMES: readonly (FrameKind | undefined)[] = [
  undefined,
  'accepted',
  'events',
  'end',
  'result',
  'failed',
  'part',
];

/** Longest packet that a worker makes: far below what Redis holds for a subscriber, and soon sent, so that others need not wait long. */
export const MAX_PACKET_BYTES = 256 * 1024;

export interface Frame {
  readonly id: string;
  readonly attempt: number;
  /** See {@link AttemptKey.nonce}. */
  readonly nonce: number;
  readonly seq: number;
  readonly kind: FrameKind;
  /** JSON text; empty when the kind has none. */
  readonly meta: string;
  readonly body: Buffer;
}

/** What a worker says about itself with every packet. */
export interface Quote {
  /** Wait before a new prompt's prefill would begin, ms. */
  readonly waitMs: number;
  /** Prompt tokens computed per second, learned. */
  readonly tokensPerSec: number;
  /**
   * Tokens ever put into the prefix cache, counted from a number that rises with time (Unix µs at the start), so that a
   * worker that began anew never seems to remember.
   */
  readonly cacheTokens: number;
}

export interface Packet {
  readonly worker: string;
  readonly quote: Quote;
  readonly frames: readonly Frame[];
  /** Frames that were left out, since something in them is wrong. */
  readonly dropped: number;
}

const VERSION = 5;
/** The oldest that is read. */
const OLDEST_VERSION = 4;
const MAGIC = 0x50;
const NONCE_BYTES = 6;
const FRAME_FIXED = 4 + 1 + 2 + NONCE_BYTES + 4 + 1 + 2;
const QUOTE_BYTES = 16;
const MAX_U32 = 0xffff_ffff;
const EMPTY = Buffer.alloc(0);

/** Bytes of a frame in a packet. */
export function frameBytes({ id, meta, body }: Frame): number {
  return FRAME_FIXED + id.length + Buffer.byteLength(meta) + body.length;
}

export function encodePacket(worker: string, quote: Quote, frames: readonly Frame[]): Buffer {
  let size = 3 + worker.length + QUOTE_BYTES;
  for (const f of frames) size += frameBytes(f);
  const out = Buffer.allocUnsafe(size);
  out[0] = MAGIC;
  out[1] = VERSION;
  out[2] = worker.length;
  let at = 3 + out.write(worker, 3, 'latin1');
  at = out.writeUInt32BE(toU32(quote.waitMs), at);
  at = out.writeUInt32BE(toU32(quote.tokensPerSec), at);
  at = out.writeDoubleBE(quote.cacheTokens, at);
  for (const f of frames) at = writeFrame(out, at, f);
  return out;
}

function toU32(value: number): number {
  return Math.min(MAX_U32, Math.max(0, Math.round(value)));
}

function writeFrame(out: Buffer, start: number, f: Frame): number {
  let at = start + 4;
  out[at++] = FRAME_KINDS[f.kind];
  at = out.writeUInt16BE(f.attempt, at);
  at = out.writeUIntBE(f.nonce, at, NONCE_BYTES);
  at = out.writeUInt32BE(f.seq, at);
  out[at++] = f.id.length;
  at += out.write(f.id, at, 'latin1');
  const metaAt = at;
  const metaLen = f.meta.length === 0 ? 0 : out.write(f.meta, metaAt + 2, 'utf8');
  out.writeUInt16BE(metaLen, metaAt);
  at = metaAt + 2 + metaLen;
  out.set(f.body, at);
  at += f.body.length;
  out.writeUInt32BE(at - start - 4, start);
  return at;
}

/** @throws Error on bytes that are not a whole packet of this version or the one before; no frame is returned then. */
export function decodePacket(bytes: Buffer): Packet {
  if (bytes.length < 3 || bytes[0] !== MAGIC) throw new Error('not a frame packet');
  const version = bytes[1] ?? 0;
  if (version > VERSION || version < OLDEST_VERSION)
    throw new Error(`frame packet of unknown version ${version}`);
  const workerEnd = 3 + (bytes[2] ?? 0);
  const framesAt = workerEnd + QUOTE_BYTES;
  if (framesAt > bytes.length) throw new Error('frame packet cut off');
  const worker = bytes.toString('latin1', 3, workerEnd);
  if (!isToken(worker)) throw new Error('frame packet of a worker without a name');
  const quote = readQuote(bytes, workerEnd);
  const frames: Frame[] = [];
  let dropped = 0;
  let at = framesAt;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) throw new Error('frame packet cut off');
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) throw new Error('frame packet cut off');
    const frame = readFrame(bytes, at + 4, end);
    if (frame === null) dropped++;
    else frames.push(frame);
    at = end;
  }
  return { worker, quote, frames, dropped };
}

function readQuote(bytes: Buffer, at: number): Quote {
  const cacheTokens = bytes.readDoubleBE(at + 8);
  if (!(cacheTokens >= 0 && cacheTokens <= Number.MAX_SAFE_INTEGER))
    throw new Error('frame packet with a quote that is none');
  return {
    waitMs: bytes.readUInt32BE(at),
    tokensPerSec: Math.min(MOST_TOKENS_PER_SEC, bytes.readUInt32BE(at + 4)),
    cacheTokens,
  };
}

/** Null for one in which something is wrong. @throws Error where its parts are longer than itself. */
function readFrame(bytes: Buffer, start: number, end: number): Frame | null {
  if (end - start < FRAME_FIXED - 4) throw new Error('frame too short');
  const kind = KIND_NAMES[bytes[start] ?? 0];
  const attempt = bytes.readUInt16BE(start + 1);
  const nonce = bytes.readUIntBE(start + 3, NONCE_BYTES);
  const seqAt = start + 3 + NONCE_BYTES;
  const seq = bytes.readUInt32BE(seqAt);
  const idAt = seqAt + 5;
  const idEnd = idAt + (bytes[idAt - 1] ?? 0);
  if (idEnd + 2 > end) throw new Error('frame cut off');
  const metaLen = bytes.readUInt16BE(idEnd);
  const bodyAt = idEnd + 2 + metaLen;
  if (bodyAt > end) throw new Error('frame cut off');
  const id = bytes.toString('latin1', idAt, idEnd);
  const meta = metaLen === 0 ? '' : bytes.toString('utf8', idEnd + 2, bodyAt);
  // Without a nonce it could be told from no other attempt.
  if (kind === undefined || nonce === NO_NONCE || !isToken(id) || !isMetaOf(kind, meta)) return null;
  return { id, attempt, nonce, seq, kind, meta, body: bodyAt === end ? EMPTY : bytes.subarray(bodyAt, end) };
}
