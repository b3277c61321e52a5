/** One request whose client waits here: what is known of it, from the moment it is published until its answer is complete. */
import type { ServerResponse } from 'node:http';
import { keptMs } from '@penstock/policy';
import {
  type AttemptKey,
  type BodyClaim,
  DispatchError,
  type Endpoint,
  type FailedMeta,
  type QueueAddress,
  type WorkMeta,
} from '@penstock/protocol';
import { failureError } from '@penstock/runs';
import type { Clock } from '@penstock/runtime';
import type { TokenEstimate } from '../intake/token-estimates.ts';
import type { UsageMeter } from '../limits/usage-meter.ts';
import type { PlacingKey, PrefixLookup } from '../placement/affinity.ts';
import type { ReplySink } from '../replies/reply-sink.ts';
import type { DoorClaim } from '../shares/doors.ts';
import type { RequestTrace } from '../telemetry/request-trace.ts';
import type { RequestTrail } from '../telemetry/request-trail.ts';
import type { Conversion } from './conversion.ts';
import { ShownText } from './shown-text.ts';

export interface NewRequest {
  readonly id: string;
  /** Of its message; see {@link WorkMeta.key}. */
  readonly key: string;
  readonly slug: string;
  readonly address: QueueAddress;
  /** Set while only one worker may take it. */
  readonly bound: Bound | null;
  /** What has yet to be put on the queue; null once that is under way. */
  readonly unsent: UnsentWork | null;
  /** How it counts at the door; null where it passes without. */
  readonly door: DoorClaim | null;
  /** For learning who holds the prefix. */
  readonly lookup: PrefixLookup | null;
  /** To be held against the engine's own count; null where that counts something else than the prompt. */
  readonly estimate: TokenEstimate | null;
  readonly endpoint: Endpoint;
  readonly continuable: boolean;
  readonly streamed: boolean;
  readonly deadlineAt: number;
  /** Where its body is, if not in its message. */
  readonly claim?: BodyClaim | undefined;
  readonly sink: ReplySink;
  /** Absent where tracing is off. */
  readonly trace?: RequestTrace | undefined;
  readonly trail?: RequestTrail | undefined;
  /** What becomes of it when its client has waited too long; `refuse` where nothing may be stored; null: it may wait. */
  readonly conversion: Conversion | 'refuse' | null;
  /** Told how many bytes of its answer have come while it is not whole. */
  readonly collecting?: (bytes: number) => void;
  /** Gives its room in the queue back. */
  readonly leaveQueue?: () => void;
  /** Of a request of a limited project. */
  readonly meter?: UsageMeter | undefined;
}

/** What of a request is kept until it is on the queue: no more than has to be. */
export interface UnsentWork {
  readonly tenant: string;
  readonly meta: WorkMeta;
  readonly body: Uint8Array;
  readonly placing: PlacingKey | null;
  /** Of its client. */
  readonly raw: ServerResponse;
}

/** Work bound to one worker, and how it is offered to all. */
export interface Bound {
  readonly worker: string;
  /** Publishes the request once more. */
  readonly republish: (
    address: QueueAddress,
    change: Pick<WorkMeta, 'attemptBase' | 'ask' | 'key'>,
  ) => Promise<void>;
}

/** Changed by {@link transition} alone, apart from what asynchronous work (requeue, conversion) finds out. */
export interface OpenRequest extends NewRequest {
  key: string;
  address: QueueAddress;
  bound: Bound | null;
  unsent: UnsentWork | null;
  /** Until the broker has said whether it has the message; rejects where it has not. Null before it is sent. */
  sending: Promise<void> | null;
  lookup: PrefixLookup | null;
  conversion: Conversion | 'refuse' | null;
  /** Set once its client got 202: the answer goes into the record. */
  converted: Conversion | null;
  deadlineAt: number;
  /**
   * When it ends unless an answer, or the next token of a stream, has come; monotonic ms, for the wall clock may be set while the
   * client waits. Infinity while a stream flows: its worker watches it then.
   */
  endsAt: number;
  /** The broker has it until then, monotonic ms: what fails later cannot be run again. */
  keptUntil: number;
  /** When the broker was last known to have its message, monotonic ms; Infinity until it has confirmed it. */
  keptAt: number;
  readonly openedAt: number;
  /** How long its client waits for an answer, or for the next token of a stream, ms. */
  readonly timeoutMs: number;
  readonly shownText: ShownText;
  /** Above every attempt that has ended, and not below the one that runs. See {@link isHeldBy} for what it fences. */
  attempt: number;
  nextSeq: number;
  /** Beginning of the body of the next frame, of the attempt that holds the request. */
  parts: readonly Buffer[];
  /** How often a worker began on it. Below `attempt` where a delivery was handed back unstarted. */
  starts: number;
  failures: number;
  /** Why the last attempt ended that did not answer, for the client's error. */
  lastFailure: FailedMeta | null;
  shown: boolean;
  running: RunningAttempt | null;
  /** Nonces of attempts that have ended: whatever still comes of them is fenced. */
  ended: readonly number[];
  /** When the lease of its delivery was last renewed, monotonic ms. */
  leaseAt: number;
  /** When its worker last said that it runs the attempt, monotonic ms. */
  namedAt: number;
  /** Everything that still arrives for it is ignored. */
  gone: boolean;
}

/** The attempt that holds a request: it was accepted, or its worker was told to run it. */
export interface RunningAttempt extends AttemptKey {
  readonly worker: string;
  /** Which process of the worker; empty while that is not known. */
  readonly incarnation: string;
  /** Null until the worker has accepted it; then that of the latest delivery, whoever was handed it. */
  readonly ack: string | null;
  readonly waitMs: number;
}

const NONE: readonly number[] = [];
export const NO_PARTS: readonly Buffer[] = [];

export function openRequest(request: NewRequest, clock: Clock): OpenRequest {
  const now = clock.monotonic();
  const timeoutMs = request.deadlineAt - clock.now();
  return {
    ...request,
    ...{ converted: null, sending: null },
    endsAt: now + timeoutMs,
    keptUntil: now + keptMs(timeoutMs, request.streamed),
    timeoutMs,
    keptAt: Number.POSITIVE_INFINITY,
    openedAt: now,
    shownText: new ShownText(request.endpoint, request.streamed && request.continuable),
    attempt: 0,
    nextSeq: 0,
    parts: NO_PARTS,
    starts: 0,
    failures: 0,
    lastFailure: null,
    shown: false,
    running: null,
    ended: NONE,
    leaseAt: now,
    namedAt: now,
    gone: false,
  };
}

/** How long the request has waited that has waited longest for its first worker, ms; 0 where none waits. @param requests in the order in which they came. */
export function oldestWaitMs(requests: Iterable<Readonly<OpenRequest>>, now: number): number {
  for (const { starts, openedAt, gone } of requests) if (starts === 0 && !gone) return now - openedAt;
  return 0;
}

/** Gives a request until `deadlineAt`, Unix ms: a record has more time than the call it was made for. */
export function moveDeadline(request: OpenRequest, deadlineAt: number): void {
  request.endsAt += deadlineAt - request.deadlineAt;
  request.keptUntil += deadlineAt - request.deadlineAt;
  request.deadlineAt = deadlineAt;
}

/** The client's error after its last failed attempt. @param reason why there is no other attempt. */
export function errorOf(failure: FailedMeta, reason: string): DispatchError {
  const { message } = failure;
  // No engine was asked, and the code says what to do.
  if (failure.code === 'body_unavailable') return failureError(failure);
  if (reason === 'attempts_spent') return new DispatchError('attempts_exhausted', { message });
  if (reason === 'shown_to_client') return new DispatchError('stream_interrupted', { message });
  return failureError(failure);
}
