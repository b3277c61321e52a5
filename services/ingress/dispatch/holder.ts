/**
 * Which attempt **holds** a request: the first that was accepted, or that was told to run, until it has ended. Frames of all
 * others are fenced. Their numbers do not tell them apart: a broker that was killed forgets how often it has delivered a message, and hands
 * it out again under a number that another worker runs, or that has failed. So an attempt is known by its worker and nonce, too.
 *
 * All deliveries of a request under one subject are of one message. Where another worker was handed it, it is stopped and settles
 * nothing, and its ack subject takes the place of the holder's: the broker may have forgotten the older delivery, and refuses its ack.
 */
import {
  type AcceptedMeta,
  type AttemptKey,
  type Frame,
  isOfOlderSubject,
  NO_NONCE,
  type ResumeQuestion,
} from '@penstock/protocol';
import { NO_PARTS, type OpenRequest } from './open-request.ts';

export function isHeldBy({ running }: OpenRequest, worker: string, attempt: number, nonce: number): boolean {
  return (
    running !== null && running.nonce === nonce && running.number === attempt && running.worker === worker
  );
}

/** Whether an attempt whose worker did not ask becomes the one that holds the request. */
export function mayBegin(
  request: OpenRequest,
  { kind, attempt, nonce }: Pick<Frame, 'kind' | 'attempt' | 'nonce'>,
): boolean {
  // It began at the beginning, and knows nothing of what the client has.
  if (request.running !== null || request.shown || request.ended.includes(nonce)) return false;
  // Only that frame shows that its sender was given the request.
  return kind === 'accepted' && !isOfOlderSubject(attempt, request.attempt);
}

/**
 * Whether an attempt that runs at a worker is of use: it holds the request, or may yet be told of. One that was told of and fenced was
 * stopped then, but may not have heard it.
 */
export function isWanted(request: OpenRequest, worker: string, { number, nonce }: AttemptKey): boolean {
  if (isHeldBy(request, worker, number, nonce)) return true;
  return mayBegin(request, { kind: 'accepted', attempt: number, nonce });
}

/** What becomes of a question. `held`: another attempt goes on. */
export function judgeQuestion(
  request: OpenRequest,
  { attempt, nonce }: Pick<ResumeQuestion, 'attempt' | 'nonce'>,
  worker: string,
): 'gone' | 'held' | 'begin' | 'again' {
  const { running } = request;
  if (isOfOlderSubject(attempt, request.attempt)) return 'gone';
  if (running === null) return 'begin';
  if (isHeldBy(request, worker, attempt, nonce)) return 'again';
  // Told to run and not heard of: it may have been handed back since.
  if (running.ack === null) return 'begin';
  // Workers of the version before take `held` for a reason to come again, so a higher number supersedes.
  return nonce === NO_NONCE && attempt > running.number ? 'begin' : 'held';
}

/** Makes the attempt the one that holds the request. */
export function hold(request: OpenRequest, worker: string, { number, nonce }: AttemptKey): void {
  request.attempt = Math.max(request.attempt, number);
  request.nextSeq = 0;
  request.parts = NO_PARTS;
  request.running = { worker, number, nonce, incarnation: '', ack: null, waitMs: 0 };
}

/** Longest body that is put together from parts, bytes: twice the longest answer that a worker takes from its engine. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** Keeps a part of the holder's next frame. @returns whether there is room for it. */
export function keepPart(request: OpenRequest, { body }: Pick<Frame, 'body'>): boolean {
  request.parts = [...request.parts, body];
  return partsBytes(request) <= MAX_BODY_BYTES;
}

export function partsBytes({ parts }: Pick<OpenRequest, 'parts'>): number {
  return parts.reduce((bytes, part) => bytes + part.length, 0);
}

/** The frame with the beginning of its body, where that came in parts. */
export function withParts(request: OpenRequest, frame: Frame, worker: string): Frame {
  const { parts, nextSeq } = request;
  if (parts.length === 0 || frame.kind === 'part' || frame.seq !== nextSeq) return frame;
  if (!isHeldBy(request, worker, frame.attempt, frame.nonce)) return frame;
  return { ...frame, body: Buffer.concat([...parts, frame.body]) };
}

/** The attempt has ended: whatever it may still send is fenced. */
export function letGo(request: OpenRequest): void {
  const { running } = request;
  if (running !== null && running.nonce !== NO_NONCE) request.ended = [...request.ended, running.nonce];
  request.running = null;
  request.nextSeq = 0;
  request.parts = NO_PARTS;
}

/** The request's message was delivered once more, while an attempt holds it. */
export function adoptDelivery(request: OpenRequest, ack: string | null): void {
  const { running } = request;
  if (running !== null && running.ack !== null && ack !== null) request.running = { ...running, ack };
}

/** @returns the ack subject of a delivery that nobody has use for and that should come again at once, as one that asks; else null. */
export function deliveryToRepeat(request: OpenRequest, { attempt, meta, nonce }: Frame): string | null {
  if (isOfOlderSubject(attempt, request.attempt) || request.ended.includes(nonce)) return null;
  const { ack } = JSON.parse(meta) as AcceptedMeta;
  if (request.running === null) return ack;
  adoptDelivery(request, ack);
  return null;
}
