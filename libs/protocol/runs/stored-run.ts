/**
 * A stored run: a request whose answer is kept until it is fetched. The record in Redis is authoritative; the message on the
 * queue only makes a worker start.
 * `libs/runs` has the table of its states and of who may change them.
 */
import { isCutShort, readChunk } from '../engine/chat-chunk.ts';
import type { Endpoint } from '../wire/endpoints.ts';
import type { RunLogKind } from '../wire/envelope.ts';
import type { QueueAddress } from '../wire/queue-address.ts';
import { assertToken } from '../wire/token.ts';

export const RUN_STATUSES = [
  'queued',
  'in_progress',
  'completed',
  'incomplete',
  'failed',
  'cancelled',
] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

/** `completed` covers every answer of the engine to a job, also one that refuses the request. */
export function isFinalStatus(status: RunStatus): boolean {
  return status !== 'queued' && status !== 'in_progress';
}

/** What the client asked for. Public ids differ by kind, so that a run is never found as one of another kind. */
export const RUN_KINDS = ['job', 'response', 'completion', 'batch_line'] as const;
export type RunKind = (typeof RUN_KINDS)[number];

export interface NewRun {
  readonly id: string;
  readonly kind: RunKind;
  /** What the API needs to show a run of this kind: JSON, or empty. Contains prompts, so it is never logged. */
  readonly detail: string;
  /** Digest of the API key: only its holder finds the run. */
  readonly tenant: string;
  readonly endpoint: Endpoint;
  readonly model: string;
  readonly slug: string;
  /** Where its message is queued; null for a run that never was: it was answered before it was stored. */
  readonly address: QueueAddress | null;
  /** Unix ms. */
  readonly createdAt: number;
  /** Unix ms after which no engine may start it. */
  readonly deadlineAt: number;
  /** How the engine's output is logged as it arrives; `none` when absent. */
  readonly log?: RunLogKind;
  /** Names that its client gave it and lists may be filtered by. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Its body is in the store of request bodies: who ends the run discards it there. */
  readonly hasClaim?: boolean;
}

/** The answer, or the error in its place. */
export interface RunResult {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
  /** Unix ms. */
  readonly finishedAt: number;
}

/** Status of a response whose engine answered with this chat completion, not streamed. A refusal makes it `failed`. */
export function responseStatusOf({
  status,
  body,
}: Pick<RunResult, 'status' | 'body'>): 'completed' | 'incomplete' | 'failed' {
  if (status !== 200) return 'failed';
  try {
    const { choices } = readChunk(body.toString('utf8'));
    return isCutShort(choices?.[0]?.finish_reason) ? 'incomplete' : 'completed';
  } catch {
    return 'completed';
  }
}

export interface StoredRun extends NewRun {
  readonly status: RunStatus;
  /** The worker that runs it, or ran it last. */
  readonly worker: string | null;
  readonly attempt: number;
  /** Entries its log had when it became final; 0 before. */
  readonly logLength: number;
  /** Set once completed, incomplete or failed. */
  readonly result: RunResult | null;
  /** Why its last attempt ended that did not answer, for the error of a run that never gets another. */
  readonly lastWords?: string;
}

/** What is known of a run without what may be large in its record: what was asked, and the answer. */
export interface RunOutline extends Omit<StoredRun, 'detail' | 'result'> {
  /** Status of the answer; 0 where there is none. */
  readonly code: number;
  /** Unix ms; 0 where it is not final. */
  readonly finishedAt: number;
  /** Of what it leaves out. */
  readonly bytes: number;
}

/**
 * An answer with this HTTP status or a higher one is an error: it goes to the error file of its batch, and its run's event says
 * `failed`. The Lua scripts get it as a constant.
 */
export const FIRST_ERROR_STATUS = 400;

export function isErrorStatus(status: number): boolean {
  return status >= FIRST_ERROR_STATUS;
}

export function runKey(id: string): string {
  return `penstock:run:${assertToken(id)}`;
}

/** The message of an open run, from which it is queued again where the queue has lost it. */
export function runMessageKey(id: string): string {
  return `penstock:run-message:${assertToken(id)}`;
}

/** Redis sorted set of the open runs of a tenant or a model, but for lines of batches, by their deadlines. @param of `t:` and the tenant, or `m:` and the slug. */
export function backlogKey(of: string): string {
  return `penstock:backlog:${of}`;
}

/** Redis hash of the bytes of their messages, by the same names. */
export const BACKLOG_BYTES_KEY = 'penstock:backlog-bytes';

/** Redis key of the process that looks after open runs. */
export const RUN_SWEEP_KEY = 'penstock:run-sweep';

/** Says for a while that a run was removed on purpose: a message that comes late does not make its record anew. */
export function runRemovedKey(id: string): string {
  return `penstock:run-removed:${assertToken(id)}`;
}

/** Redis sorted set of a tenant's stored chat completions, by the time they were created. */
export function completionListKey(tenant: string): string {
  return `penstock:completions:${assertToken(tenant)}`;
}
