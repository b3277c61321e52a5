/**
 * A stored run: a request whose answer is kept for whoever asks for it later. Its record in Redis is the truth; the
 * message on the queue only makes a worker begin.
 *
 * queued → in_progress (a worker began) → completed | incomplete | failed; a failed attempt goes back to queued while
 * attempts are left. queued or in_progress → cancelled, or failed when its time is over. The last four are final.
 */
import { isCutShort, readChunk } from '../openai/chat-chunk.ts';
import type { Endpoint, RunLogKind } from '../wire/envelope.ts';
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

/** What the client asked for. Their ids are told apart, so that one never shows as the other. */
export const RUN_KINDS = ['job', 'response', 'completion', 'batch_line'] as const;
export type RunKind = (typeof RUN_KINDS)[number];

export interface NewRun {
  readonly id: string;
  readonly kind: RunKind;
  /** What the kind needs to show itself: JSON, or empty. Holds prompts: never logged. */
  readonly detail: string;
  /** Digest of the API key: nobody else finds the run. */
  readonly tenant: string;
  readonly endpoint: Endpoint;
  readonly model: string;
  readonly slug: string;
  /** Where its message is queued. */
  readonly stream: string;
  readonly subject: string;
  /** Unix ms. */
  readonly createdAt: number;
  /** Unix ms after which no engine may start it. */
  readonly deadlineAt: number;
  /** Whether what the engine says is logged while it says it; `none` when absent. */
  readonly log?: RunLogKind;
}

/** The answer, or the error in its place. */
export interface RunResult {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
  /** Unix ms. */
  readonly finishedAt: number;
}

/** How a response ended whose engine gave this chat completion in one piece: a refusal is a failure of it. */
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
  /** Who runs it, or ran it last. */
  readonly worker: string | null;
  readonly attempt: number;
  /** Entries its log had when it became final; 0 before. */
  readonly logLength: number;
  /** Set once completed, incomplete or failed. */
  readonly result: RunResult | null;
}

export function runKey(id: string): string {
  return `penstock:run:${assertToken(id)}`;
}

/** Redis sorted set of a tenant's stored chat completions, by the time they were created. */
export function completionListKey(tenant: string): string {
  return `penstock:completions:${assertToken(tenant)}`;
}

/** Where it is said that a run is final; the payload is its id. At most once: who waits reads the record in the end. */
export function doneSubject(region: string): string {
  return `done.${assertToken(region)}`;
}
