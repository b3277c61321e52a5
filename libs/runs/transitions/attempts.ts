/** What a worker does to a run: begin, finish, fail. The store lets only the current attempt change the record. */
import { decideRetry, MAX_ATTEMPTS } from '@penstock/policy';
import {
  type AttemptKey,
  type ErrorCode,
  type FailedMeta,
  type QueueAddress,
  type ResultMeta,
  type RunLogKind,
  readPromptUsage,
  responseStatusOf,
  type WorkMeta,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { BeginOutcome, RunEnd, RunStore, RunTtl } from '@penstock/transport';
import type { DoneChannel } from '../done-channel.ts';
import { errorResult, failureError } from '../record/run-error.ts';
import { recordLifeMs } from '../record/run-life.ts';
import { runOf } from '../record/run-message.ts';
import { listCompletion, queueMsOf } from './accept.ts';
import type { RunExpiry } from './expire.ts';

export type RunFailure =
  /** It is queued again, and should not be delivered before `delayMs`. */
  | { readonly kind: 'again'; readonly delayMs: number }
  /** It has failed for good. */
  | { readonly kind: 'final'; readonly code: ErrorCode }
  | { readonly kind: 'fenced' };

export interface RunAttemptsOptions {
  readonly store: Pick<RunStore, 'begin' | 'completions' | 'create' | 'finish' | 'fail' | 'putBack'>;
  readonly expiry: RunExpiry;
  readonly done: DoneChannel;
  readonly ttl: RunTtl;
  readonly clock: Clock;
}

/** Read from the message or the record. */
type AttemptedRun = Pick<WorkMeta, 'id' | 'log' | 'deadlineAt' | 'claim'>;

export class RunAttempts {
  readonly #o: RunAttemptsOptions;

  constructor(options: RunAttemptsOptions) {
    this.#o = options;
  }

  /**
   * Makes the attempt the current one. A run whose deadline passed before is ended: `gone`. A record that was lost is made anew from the message.
   * @param address where its message was queued.
   */
  async begin(
    meta: WorkMeta,
    address: QueueAddress,
    attempt: AttemptKey,
    worker: string,
  ): Promise<Exclude<BeginOutcome, 'unknown'>> {
    const { store, expiry, ttl } = this.#o;
    if (await expiry.endUnbegun(meta)) return 'gone';
    const outcome = await store.begin(meta.id, attempt, worker);
    if (outcome !== 'unknown') return outcome;
    const run = runOf(meta, address);
    if (run === null) return 'gone';
    await store.create(run, recordLifeMs(queueMsOf(run)), null);
    await listCompletion(store, run, ttl);
    const again = await store.begin(meta.id, attempt, worker);
    return again === 'unknown' ? 'gone' : again;
  }

  /** Stores the answer. @returns false where the attempt is not the current one: then nothing may be acked. */
  async finish(id: string, attempt: AttemptKey, end: RunEnd): Promise<boolean> {
    const { store, done, ttl } = this.#o;
    if (!(await store.finish(id, attempt, end, ttl))) return false;
    done.announce(id, promptTokensIn(end));
    return true;
  }

  /**
   * The attempt ended by nobody's fault: the run is queued again, and nothing is counted.
   * @returns false where the attempt is not the current one: then its delivery may not be settled.
   */
  putBack(id: string, attempt: AttemptKey, { message }: FailedMeta): Promise<boolean> {
    return this.#o.store.putBack(id, attempt, message);
  }

  /** Counts a failed attempt: the run is queued again, or has failed if no attempt is left or none can help. */
  async fail(run: AttemptedRun, attempt: AttemptKey, failure: FailedMeta): Promise<RunFailure> {
    const { store, done, ttl, clock } = this.#o;
    const error = failureError(failure);
    const result = errorResult(error, clock.now());
    const end = { result, log: run.log ?? 'none', lastWords: failure.message };
    const most = failure.retryable ? MAX_ATTEMPTS : 1;
    const outcome = await store.fail(run.id, attempt, end, most, ttl);
    if (outcome === 'again') return { kind: 'again', delayMs: pauseAfter(attempt.number, run.deadlineAt) };
    if (outcome === 'fenced') return { kind: 'fenced' };
    done.announce(run.id);
    return { kind: 'final', code: error.code };
  }
}

/** As the engine counted them: an answer ends with its usage, and so does the log of a stream that is kept as events. */
function promptTokensIn({ result, last }: RunEnd): number | null {
  const usage = readPromptUsage(result.body) ?? (last === null ? null : readPromptUsage(last.entry));
  return usage?.promptTokens ?? null;
}

/**
 * How a run ends whose engine did not stream. Any answer completes a job, including a refusal.
 * @param log `deltas` stands for a response, which is failed by a refusal.
 */
export function endedBy(
  log: RunLogKind,
  { status, contentType }: ResultMeta,
  body: Buffer,
  finishedAt: number,
): RunEnd {
  const result = { status, contentType, body, finishedAt };
  return { status: log === 'deltas' ? responseStatusOf(result) : 'completed', result, log, last: null };
}

function pauseAfter(failures: number, deadlineAt: number): number {
  const failed = { failures: Math.min(failures, MAX_ATTEMPTS - 1), retryable: true, workerLost: false };
  const decision = decideRetry({ ...failed, shown: false, continuable: false, deadlineAt }, 0);
  return decision.kind === 'give_up' ? 0 : decision.delayMs;
}
