/** One request whose client waits here, and the reply that it waits for. */
import {
  DispatchError,
  type Endpoint,
  type FailedMeta,
  isErrorCode,
  type NewRun,
  type ResultMeta,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { PrefixTrail } from '../placement/affinity.ts';
import { ShownText } from './shown-text.ts';

/** Where a reply goes. Implemented by the HTTP side. */
export interface ReplySink {
  events(bytes: Buffer, served: Served): void;
  /** @param served null only where something was shown before. */
  end(bytes: Buffer, served: Served | null): void;
  result(meta: ResultMeta, body: Buffer, served: Served): void;
  error(error: DispatchError, served: Served | null): void;
  /** Called once a second while nothing is shown yet. */
  waiting(waitedMs: number): void;
}

/** Who served, for the response headers. */
export interface Served {
  readonly worker: string;
  /** 1 for a request that ran once. */
  readonly attempt: number;
  readonly waitMs: number;
}

/** How a call that waited too long becomes a stored run. */
export interface Held {
  readonly run: NewRun;
  /** Makes the record. @param worker who runs it now. */
  adopt(attempt: number, worker: string | null): Promise<void>;
  /** Sends the client away. */
  announce(): Promise<void>;
  /** It was answered meanwhile after all, or its client left without having been told. */
  forget(): Promise<void>;
  finish(attempt: number, worker: string, meta: ResultMeta, body: Buffer): Promise<void>;
  fail(attempt: number, worker: string, error: DispatchError): Promise<void>;
}

export interface NewRequest {
  readonly id: string;
  readonly slug: string;
  readonly subject: string;
  /** Set while only one worker may take it: how to offer it to all. */
  readonly bound: Bound | null;
  /** For learning who holds the prefix. */
  readonly trail: PrefixTrail | null;
  /** The stream it waits in. */
  readonly shard: number;
  readonly stream: string;
  readonly endpoint: Endpoint;
  readonly continuable: boolean;
  readonly streamed: boolean;
  readonly deadlineAt: number;
  readonly sink: ReplySink;
  /** What becomes of it when its client has waited too long; `refuse` where nothing may be stored; null: it may wait. */
  readonly hold: Held | 'refuse' | null;
}

/** A request that waits for one worker. */
export interface Bound {
  readonly worker: string;
  readonly sharedSubject: string;
  /** Publishes the request once more. */
  readonly republish: (subject: string, attemptBase: number, ask: boolean) => Promise<void>;
}

/** A request while its client waits. */
export interface OpenRequest extends NewRequest {
  subject: string;
  shard: number;
  stream: string;
  bound: Bound | null;
  hold: Held | 'refuse' | null;
  /** Set once its client was sent away: the answer goes into the record. */
  kept: Held | null;
  deadlineAt: number;
  /** The deadline in monotonic ms: the wall clock may be set while the client waits. */
  endsAt: number;
  readonly openedAt: number;
  readonly shownText: ShownText;
  /** Highest attempt seen: everything below is fenced. */
  attempt: number;
  nextSeq: number;
  /** How often a worker began on it. Below `attempt` where a delivery was handed back unstarted. */
  starts: number;
  failures: number;
  shown: boolean;
  running: { worker: string; incarnation: string; ack: string | null; waitMs: number } | null;
  leaseAt: number;
}

export function openRequest(request: NewRequest, clock: Clock): OpenRequest {
  const now = clock.monotonic();
  return {
    ...request,
    kept: null,
    endsAt: now + request.deadlineAt - clock.now(),
    openedAt: now,
    shownText: new ShownText(request.endpoint, request.streamed && request.continuable),
    attempt: 0,
    nextSeq: 0,
    starts: 0,
    failures: 0,
    shown: false,
    running: null,
    leaseAt: now,
  };
}

/** Gives a request until `deadlineAt`, Unix ms: a record has more time than the call it was made for. */
export function moveDeadline(request: OpenRequest, deadlineAt: number): void {
  request.endsAt += deadlineAt - request.deadlineAt;
  request.deadlineAt = deadlineAt;
}

/** What a client is told of its last failed attempt. @param reason why there is no other. */
export function errorOf({ code, message }: FailedMeta, reason: string): DispatchError {
  if (reason === 'attempts_spent') return new DispatchError('attempts_exhausted', { message });
  if (reason === 'shown_to_client') return new DispatchError('stream_interrupted', { message });
  return new DispatchError(isErrorCode(code) ? code : 'engine_error', { message });
}
