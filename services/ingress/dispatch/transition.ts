/**
 * What happens to a request whose client waits here: from its state and an event follow its next state and the effects that
 * others carry out. The ingress that holds the client's connection decides alone which attempt counts; workers run and
 * report. Pure: nothing here waits, reads a clock or does I/O.
 *
 * A request is **queued** (no attempt has it; it may yet be *unsent*, at the door), **running** (worker and attempt are known) or **gone**. A queued one
 * is *bound* while only one worker may take it. A *converted* one answers into a stored run, for its client was sent away.
 *
 * | state   | event                                        | next    | effects                                            |
 * |---------|----------------------------------------------|---------|----------------------------------------------------|
 * | any     | frame of an attempt that does not hold it    | as is   | counted; a worker that accepts is stopped          |
 * | queued  | frame of a new attempt                       | running | it holds the request                               |
 * | queued  | … at a stream that was shown in part         | as is   | stopped, and NAK: it comes again and asks          |
 * | queued  | question                                     | running | the attempt holds the request                      |
 * | running | question of another attempt                  | as is   | `held`; before `accepted` it holds, the old is stopped |
 * | running | frame seen before                            | as is   | none                                               |
 * | running | frame out of sequence, or not to be read     | as if `failed` | the worker is stopped                       |
 * | running | `accepted`                                   | running | fleet and affinity learn who has it                |
 * | running | `part`                                       | running | kept for the frame that it is of; of too long a body as if `failed` |
 * | running | `events`                                     | running | shown                                              |
 * | running | `end`, `result`                              | gone    | shown, or stored if converted; then acked          |
 * | running | `failed`, for the engine has no room         | queued  | NAK with the engine's pause; nothing is counted    |
 * | running | `failed`, worker lost; policy tries again    | queued  | NAK; bound: moved; converted: handed over          |
 * | running | `failed`, worker lost; policy gives up       | gone    | dead letter, error                                 |
 * | running | lease due                                    | running | lease renewed                                      |
 * | queued  | bound and not taken in time                  | queued  | moved; the worker is suspect                       |
 * | queued  | bound to a worker that takes nothing new     | queued  | moved                                              |
 * | queued  | no worker of its model in its shard          | queued  | moves to another shard                             |
 * | queued  | its model was unloaded everywhere, or no engine of it has the endpoint any more | gone | error; converted: handed over |
 * | queued  | refused by the queue on its way, or lost there | gone  | error, into the record if converted                |
 * | running | … by a queue that took it all the same       | as is   | none                                               |
 * | any     | client held for too long                     | as is   | converted; `refuse`: gone, with an error           |
 * | any     | client left, cancelled, deadline, drained    | gone    | purged, worker stopped, error where one still waits |
 * | gone    | anything                                     | gone    | none                                               |
 *
 * To *move* is to purge the bound subject, to raise the fence over everything that may still come of it, and to publish anew
 * on the shared one. `holder.ts` says which attempt holds a request. Workers settle nothing, so one that was given up cannot end a
 * request.
 */
import { decideRetry } from '@penstock/policy';
import {
  type AcceptedMeta,
  type AttemptKey,
  DispatchError,
  type FailedMeta,
  type Frame,
  nextAttemptBase,
  type QueueAddress,
  type ResumeAnswer,
  type ResumeQuestion,
} from '@penstock/protocol';
import { deadlineError, endpointLeft } from '@penstock/runs';
import type { Conversion } from './conversion.ts';
import {
  adoptDelivery,
  deliveryToRepeat,
  hold,
  isHeldBy,
  judgeQuestion,
  keepPart,
  letGo,
  mayBegin,
} from './holder.ts';
import { type Bound, NO_PARTS, type OpenRequest } from './open-request.ts';

export type RequestEvent =
  | Frame
  /** A frame in sequence, of which no reply could be made. */
  | { readonly kind: 'unusable'; readonly retryable: boolean }
  /** A worker holds a redelivery and asks what to do with it. */
  | ({ readonly kind: 'asked' } & Pick<ResumeQuestion, 'attempt' | 'nonce' | 'ack'>)
  | { readonly kind: 'worker_lost' | 'lease_due' }
  | { readonly kind: 'not_taken' | 'worker_leaves' | 'stranded' | 'model_left' | 'endpoint_left' }
  | { readonly kind: 'unqueued'; readonly error: DispatchError }
  | { readonly kind: 'held_too_long' }
  /** `run_ended`: its stored run became final somewhere else. */
  | { readonly kind: 'client_left' | 'cancelled' | 'run_ended' | 'deadline' | 'drained' };

/** What is written to the client. Those of frames mean the frame that is being dealt with. */
export type ReplyEffect =
  | { readonly kind: 'first_token' | 'show' | 'show_end' | 'show_result' }
  | { readonly kind: 'show_error'; readonly error: DispatchError };

/** What is sent to the broker and the workers. */
export type QueueEffect =
  | { readonly kind: 'ack' | 'renew_lease' | 'purge' }
  | { readonly kind: 'nak'; readonly ack: string; readonly delayMs: number }
  | { readonly kind: 'stop_worker'; readonly worker: string; readonly attempt: AttemptKey }
  | {
      readonly kind: 'give_up';
      readonly failure: FailedMeta;
      readonly reason: string;
      readonly ack: string | null;
      readonly worker: string;
    };

/** Published again: on the shared subject, or in another shard. */
export type RequeueEffect =
  | { readonly kind: 'move'; readonly bound: Bound; readonly from: QueueAddress }
  | { readonly kind: 'leave_shard' };

/** What becomes of the stored run of a call that was held for too long. */
export type ConversionEffect =
  | { readonly kind: 'convert'; readonly conversion: Conversion }
  | { readonly kind: 'hand_over' | 'store_result' | 'undo_conversion' }
  | { readonly kind: 'store_error'; readonly error: DispatchError; readonly attempt: number };

/** What this node learns, counts and forgets. */
export type LocalEffect =
  | { readonly kind: 'forget' | 'count_fenced' | 'record_usage' }
  | { readonly kind: 'record_placement'; readonly worker: string; readonly incarnation: string }
  | { readonly kind: 'suspect'; readonly worker: string }
  | { readonly kind: 'count_moved' | 'count_retry'; readonly reason: string }
  | { readonly kind: 'count_finished'; readonly outcome: string }
  | { readonly kind: 'answer'; readonly answer: ResumeAnswer };

export type Effect = ReplyEffect | QueueEffect | RequeueEffect | ConversionEffect | LocalEffect;

const LOST_FRAMES: FailedMeta = { code: 'stream_interrupted', message: 'frames were lost', retryable: true };
const TOO_LONG: FailedMeta = { code: 'engine_error', message: 'the answer is too long', retryable: false };
const LOST_WORKER: FailedMeta = { code: 'engine_error', message: 'the worker was lost', retryable: true };
const NOT_RESUMABLE: FailedMeta = { ...LOST_WORKER, code: 'stream_interrupted' };

// What a stream's chunks lead to is not made anew for each of them.
const NOTHING: readonly Effect[] = [];
const SHOW: readonly Effect[] = [{ kind: 'show' }];
const SHOW_FIRST: readonly Effect[] = [{ kind: 'first_token' }, { kind: 'show' }];
const COUNT_FENCED: readonly Effect[] = [{ kind: 'count_fenced' }];
const RENEW_LEASE: readonly Effect[] = [{ kind: 'renew_lease' }];
const LEAVE_SHARD: readonly Effect[] = [{ kind: 'leave_shard' }];
const FIRST_TOKEN: Effect = { kind: 'first_token' };
const DONE: Effect = { kind: 'count_finished', outcome: 'done' };
const ANSWERED: readonly Effect[] = [{ kind: 'record_usage' }, { kind: 'forget' }, { kind: 'ack' }, DONE];
/** The ack follows once the answer is in the record. */
const STORED: readonly Effect[] = [
  FIRST_TOKEN,
  { kind: 'record_usage' },
  { kind: 'forget' },
  DONE,
  { kind: 'store_result' },
];
/** What nobody runs now is left to its record: any worker may take it, and this node need not live for it. */
const HAND_OVER: readonly Effect[] = [{ kind: 'forget' }, { kind: 'hand_over' }];

/**
 * Changes `request` and returns what has to be done, in that order. The caller stops at an effect that throws and reports it
 * as an `unusable` event; so it is `forget` that makes a request gone, not the event.
 * @param now monotonic ms. @param worker whom a frame, a question or `worker_leaves` is about.
 */
export function transition(
  request: OpenRequest,
  event: RequestEvent,
  now: number,
  worker = '',
): readonly Effect[] {
  if (request.gone) return NOTHING;
  if ('seq' in event) return onFrame(request, event, worker, now);
  switch (event.kind) {
    case 'unusable':
      return onUnusable(request, event.retryable, now);
    case 'asked':
      return onQuestion(request, event, worker, now);
    case 'worker_lost':
      return failed(request, LOST_WORKER, true, now);
    case 'lease_due':
      request.leaseAt = now;
      return RENEW_LEASE;
    case 'not_taken':
    case 'worker_leaves':
      return onBoundWait(request, event.kind, worker);
    case 'stranded':
      return request.running === null && request.bound === null ? LEAVE_SHARD : NOTHING;
    case 'model_left':
    case 'endpoint_left':
      return onUnserved(request, event.kind);
    case 'held_too_long':
      return onHeldTooLong(request);
    case 'unqueued':
      // Whoever has it was handed it from there: it is queued after all.
      if (request.running !== null) return NOTHING;
      return [...withdraw(request), endWith(request, event.error)];
    default:
      return onEnd(request, event.kind);
  }
}

function onFrame(request: OpenRequest, frame: Frame, worker: string, now: number): readonly Effect[] {
  const { attempt: number, nonce } = frame;
  if (!isHeldBy(request, worker, number, nonce)) {
    if (!mayBegin(request, frame)) return fenced(request, frame, worker);
    begin(request, { number, nonce }, worker, now);
  }
  if (frame.seq < request.nextSeq) return NOTHING;
  if (frame.seq > request.nextSeq) return [...stop(request), ...failed(request, LOST_FRAMES, false, now)];
  request.nextSeq++;
  if (frame.kind !== 'part') request.parts = NO_PARTS;
  switch (frame.kind) {
    case 'part':
      return keepPart(request, frame)
        ? NOTHING
        : [...stop(request), ...failed(request, TOO_LONG, false, now)];
    case 'accepted': {
      const { ack, waitMs, incarnation = '' } = JSON.parse(frame.meta) as AcceptedMeta;
      request.starts++;
      request.running = { worker, number, nonce, incarnation, ack, waitMs };
      request.leaseAt = request.namedAt = now;
      return [{ kind: 'record_placement', worker, incarnation }];
    }
    case 'events': {
      const isFirst = !request.shown;
      request.shown = true;
      request.endsAt = Number.POSITIVE_INFINITY;
      request.shownText.add(frame.body);
      return isFirst ? SHOW_FIRST : SHOW;
    }
    case 'end':
      return [...(request.shown ? [] : [FIRST_TOKEN]), { kind: 'show_end' }, ...ANSWERED];
    case 'result':
      if (request.converted !== null) return STORED;
      return [FIRST_TOKEN, { kind: 'show_result' }, ...ANSWERED];
    case 'failed':
      return failed(request, JSON.parse(frame.meta) as FailedMeta, false, now);
  }
}

function fenced(request: OpenRequest, frame: Frame, worker: string): readonly Effect[] {
  if (frame.kind !== 'accepted') return COUNT_FENCED;
  const attempt = { number: frame.attempt, nonce: frame.nonce };
  const effects: readonly Effect[] = [...COUNT_FENCED, { kind: 'stop_worker', worker, attempt }];
  const ack = deliveryToRepeat(request, frame);
  return ack === null ? effects : [...effects, { kind: 'nak', ack, delayMs: 0 }];
}

function stop({ running }: OpenRequest): Effect[] {
  if (running === null) return [];
  const { worker, number, nonce } = running;
  return [{ kind: 'stop_worker', worker, attempt: { number, nonce } }];
}

function begin(request: OpenRequest, attempt: AttemptKey, worker: string, now: number): void {
  awaitNextToken(request, now);
  hold(request, worker, attempt);
}

/** A stream that was interrupted has as long to go on as it had to begin. */
function awaitNextToken(request: OpenRequest, now: number): void {
  if (request.shown) request.endsAt = Math.min(request.endsAt, now + request.timeoutMs);
}

/** Its worker knows of no failure: left alone it would work on for nobody. */
function onUnusable(request: OpenRequest, retryable: boolean, now: number): readonly Effect[] {
  const message = 'the engine sent something other than the JSON of its API';
  return [...stop(request), ...failed(request, { code: 'engine_error', message, retryable }, false, now)];
}

/** Asking makes the attempt the one that holds the request, unless another has been accepted. */
function onQuestion(
  request: OpenRequest,
  question: Extract<RequestEvent, { kind: 'asked' }>,
  worker: string,
  now: number,
): readonly Effect[] {
  const verdict = judgeQuestion(request, question, worker);
  if (verdict === 'held') adoptDelivery(request, question.ack);
  if (verdict === 'held' || verdict === 'gone') return [{ kind: 'answer', answer: { kind: verdict } }];
  const effects: Effect[] = [];
  if (verdict === 'begin') {
    effects.push(...stop(request));
    letGo(request);
    begin(request, { number: question.attempt, nonce: question.nonce }, worker, now);
  }
  const shown = request.shown ? request.shownText.read() : null;
  if (!request.shown) return [...effects, { kind: 'answer', answer: { kind: 'start' } }];
  if (shown !== null) return [...effects, { kind: 'answer', answer: { kind: 'continue', ...shown } }];
  return [
    ...effects,
    ...giveUp(NOT_RESUMABLE, 'shown_to_client', null, worker),
    { kind: 'answer', answer: { kind: 'gone' } },
  ];
}

function failed(request: OpenRequest, failure: FailedMeta, workerLost: boolean, now: number): Effect[] {
  const { running } = request;
  const { busyMs } = failure;
  const isBusy = busyMs !== undefined && (!request.shown || request.shownText.continuable);
  if (isBusy) request.starts--;
  else request.failures++;
  request.lastFailure = failure;
  const stopped = stop(request);
  letGo(request);
  request.attempt++;
  awaitNextToken(request, now);
  if (isBusy)
    return [{ kind: 'count_retry', reason: 'busy' }, ...queueAgain(request, running?.ack ?? null, busyMs)];
  const { failures, shown, endsAt, keptUntil, shownText } = request;
  const decision = decideRetry(
    {
      ...{ failures, workerLost, shown },
      deadlineAt: Math.min(endsAt, keptUntil),
      retryable: failure.retryable,
      continuable: shownText.continuable,
    },
    now,
  );
  const effects: Effect[] = [{ kind: 'count_retry', reason: decision.reason }];
  if (workerLost) effects.push(...stopped);
  const ack = running?.ack ?? null;
  if (decision.kind === 'give_up')
    return [...effects, ...giveUp(failure, decision.reason, ack, running?.worker ?? '')];
  return [...effects, ...queueAgain(request, ack, decision.delayMs)];
}

function queueAgain(request: OpenRequest, ack: string | null, delayMs: number): readonly Effect[] {
  if (request.converted !== null) return HAND_OVER;
  // Given back to its subject it could only go to the same worker again.
  if (request.bound !== null) return move(request, request.bound, 'failed');
  return ack === null ? [] : [{ kind: 'nak', ack, delayMs }];
}

function giveUp(failure: FailedMeta, reason: string, ack: string | null, worker: string): Effect[] {
  return [
    { kind: 'forget' },
    { kind: 'count_finished', outcome: reason },
    { kind: 'give_up', failure, reason, ack, worker },
  ];
}

function onBoundWait(request: OpenRequest, why: 'not_taken' | 'worker_leaves', worker: string): Effect[] {
  const { bound, running } = request;
  if (bound === null || running !== null) return [];
  if (why === 'not_taken')
    return [{ kind: 'suspect', worker: bound.worker }, ...move(request, bound, 'not_taken')];
  return bound.worker === worker ? move(request, bound, 'swept') : [];
}

/** From the subject of one worker to the shared one. Whatever still comes of the old subject is fenced. */
function move(request: OpenRequest, bound: Bound, reason: string): Effect[] {
  const from = request.address;
  request.address = { ...from, worker: null };
  request.bound = null;
  letGo(request);
  request.attempt = nextAttemptBase(request.attempt);
  return [
    { kind: 'count_moved', reason },
    { kind: 'move', bound, from },
  ];
}

function onUnserved(request: OpenRequest, why: 'model_left' | 'endpoint_left'): readonly Effect[] {
  if (request.running !== null) return NOTHING;
  // Its record is failed by whoever refuses stored work.
  if (request.converted !== null) return HAND_OVER;
  const error =
    why === 'model_left' ? new DispatchError('model_not_found', { param: 'model' }) : endpointLeft();
  return [...withdraw(request), { kind: 'count_finished', outcome: why }, { kind: 'show_error', error }];
}

function onHeldTooLong(request: OpenRequest): Effect[] {
  const { conversion } = request;
  request.conversion = null;
  if (conversion === null) return [];
  if (conversion !== 'refuse') return [{ kind: 'convert', conversion }];
  return [...withdraw(request), { kind: 'show_error', error: new DispatchError('held_too_long') }];
}

/** Its error, for the client that waits, or for the record in its place. */
function endWith({ converted, attempt }: OpenRequest, error: DispatchError): Effect {
  if (converted === null) return { kind: 'show_error', error };
  return { kind: 'store_error', error, attempt: attempt + 1 };
}

/** Nobody waits for it any more: all work on it is stopped, wherever it is. */
function withdraw(request: OpenRequest): Effect[] {
  return [{ kind: 'forget' }, { kind: 'purge' }, ...stop(request)];
}

function onEnd(
  request: OpenRequest,
  why: 'client_left' | 'cancelled' | 'run_ended' | 'deadline' | 'drained',
): readonly Effect[] {
  const { converted } = request;
  switch (why) {
    case 'cancelled':
      return withdraw(request);
    case 'run_ended':
      return converted === null ? NOTHING : withdraw(request);
    case 'client_left':
      // Nobody knows of a record that was made to send this client to.
      return converted === null ? withdraw(request) : [...withdraw(request), { kind: 'undo_conversion' }];
    case 'deadline': {
      const end = endWith(request, deadlineError(request.lastFailure?.message ?? null));
      return [...withdraw(request), { kind: 'count_finished', outcome: 'deadline' }, end];
    }
    case 'drained': {
      if (converted === null)
        return [...withdraw(request), { kind: 'show_error', error: new DispatchError('shutting_down') }];
      return [...stop(request), ...HAND_OVER];
    }
  }
}
