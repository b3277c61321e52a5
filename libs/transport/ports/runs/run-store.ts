import type {
  AttemptKey,
  NewRun,
  QueueAddress,
  RunLogKind,
  RunOutline,
  RunResult,
  RunStatus,
  StoredRun,
} from '@penstock/protocol';
import type { CompletionList } from './completion-list.ts';
import type { Idempotency, RunCreateOutcome } from './idempotency.ts';
import type { RunTtl } from './run-ttl.ts';

/** The most that there may be with a new run, of messages and their bytes; no bound where absent. Lines of batches are not counted. */
export interface BacklogLimits {
  /** Its share of the queue. */
  readonly tenant: { readonly messages: number; readonly bytes: number };
  readonly model?: { readonly messages: number; readonly bytes: number };
  /** What the limits of its project allow. */
  readonly project?: { readonly messages?: number; readonly bytes?: number };
}

/** `fenced`: another attempt has it. `gone`: the run is final, or was removed. `unknown`: its record was lost, or never was. */
export type BeginOutcome = 'begun' | 'fenced' | 'gone' | 'unknown';
/** `again`: the run is queued for another attempt. `final`: it has failed. `fenced`: another attempt has it, or it is final. */
export type FailOutcome = 'again' | 'final' | 'fenced';

/** How a run ended. */
export interface RunEnd {
  readonly status: 'completed' | 'incomplete' | 'failed';
  readonly result: RunResult;
  readonly log: RunLogKind;
  /** The last log entry, appended with the end if the log has exactly `at` entries before it. */
  readonly last: { readonly entry: Buffer; readonly at: number } | null;
}

/** How an attempt failed, and what that makes of the run if it was the last one. */
export type AttemptEnd = Pick<RunEnd, 'result' | 'log'> & {
  /** Why, for the error of a run that never gets another attempt. */
  readonly lastWords: string;
};

/** How far a run is. */
export interface RunProgress {
  readonly status: RunStatus;
  /** Status code of the answer; 0 while there is none. */
  readonly code: number;
}

/**
 * Requests whose answers are kept. Promises: a change is made atomically, and only by the current attempt; once `finish`
 * has resolved to true the answer is stored, and replicas that are waited for have it. Does *not* promise to survive a store that loses its data.
 */
export interface RunStore {
  /**
   * Creates a queued run. An existing record stays as it is: `repeated`.
   * @param ttlMs how long the record is kept from now.
   * @param message kept with it while it is open, see {@link message}; none where absent.
   * @throws NotReplicated where replicas are waited for and do not have it in time. It may be there nevertheless: {@link withdraw} it.
   */
  create(
    run: NewRun,
    ttlMs: number,
    idempotency: Idempotency | null,
    message?: Buffer | null,
    limits?: BacklogLimits | null,
  ): Promise<RunCreateOutcome>;
  /** Stores a run that has already been answered. */
  keep(run: NewRun, end: RunEnd, ttl: RunTtl): Promise<void>;
  /**
   * Removes a run whose message was refused by the queue, and its key where that stands for it.
   * @returns false where a worker has begun it, so that the message was stored after all, and where its key was used again meanwhile: whoever
   * did so has been told of it, and it is queued again should it have no message.
   */
  withdraw(id: string, idempotencyKey: string | null): Promise<boolean>;
  /**
   * Makes the attempt the current one. While another runs it takes a higher number; a queued run takes any, for the queue may count
   * its deliveries anew. May be repeated.
   * @throws NotReplicated, as `finish`, `fail`, `cancel` and `reopen` do too: it was done, and may be forgotten.
   */
  begin(id: string, attempt: AttemptKey, worker: string): Promise<BeginOutcome>;
  /** May be repeated. @returns false when the attempt is not the current one: nothing was written, and nothing may be acked. */
  finish(id: string, attempt: AttemptKey, end: RunEnd, ttl: RunTtl): Promise<boolean>;
  /** Puts the run back to queued, or stores the error as its result once it has failed `mostFailures` times. */
  fail(
    id: string,
    attempt: AttemptKey,
    end: AttemptEnd,
    mostFailures: number,
    ttl: RunTtl,
  ): Promise<FailOutcome>;
  /**
   * Puts the run back to queued without counting a failure. @param lastWords why.
   * @returns false when the attempt is not the current one: then its delivery may not be settled.
   */
  putBack(id: string, attempt: AttemptKey, lastWords: string): Promise<boolean>;
  /** Does nothing to a final run. @returns false for an unknown run or one of another tenant. */
  cancel(
    run: Pick<NewRun, 'id' | 'tenant' | 'log'>,
    now: number,
    ttl: Pick<RunTtl, 'logMs'>,
  ): Promise<boolean>;
  /**
   * Fails a run whose deadline has passed; one in progress only once it has passed by `slackMs`. `error.finishedAt` is the
   * current time. @returns whether the run was failed.
   */
  expire(
    run: Pick<NewRun, 'id' | 'log'>,
    error: RunResult,
    slackMs: number,
    ttl: Pick<RunTtl, 'logMs'>,
  ): Promise<boolean>;
  /** How much of its memory the store uses; null for one without a limit of its own. */
  memory(): Promise<{ readonly usedBytes: number; readonly mostBytes: number | null }>;
  /** Unix ms by the clock of the store, for processes that cannot trust their own. */
  time(): Promise<number>;
  /**
   * Puts a failed run back to queued with a new deadline. Its attempts go on counting, so that old ones stay fenced. Its log
   * is deleted unless somebody has read it. @returns false for a run that is neither failed nor queued.
   */
  reopen(id: string, deadlineAt: number, ttlMs: number): Promise<boolean>;
  /**
   * Puts an open run back to queued whose message was lost. Its attempts go on counting.
   * @param seen how it was when that was found. @returns false where it is final or was begun meanwhile.
   */
  requeue(id: string, seen: Pick<StoredRun, 'attempt' | 'worker'>): Promise<boolean>;
  /** The message of an open run, as it was first queued; null where none was kept. */
  message(id: string): Promise<Buffer | null>;
  read(id: string): Promise<StoredRun | null>;
  /** What is known of runs without what may be large; null for an unknown one. */
  outlines(ids: readonly string[]): Promise<(RunOutline | null)[]>;
  /** Replaces the detail of a run, and its labels with it. Does nothing for an unknown one. */
  describe(id: string, detail: string, labels: Readonly<Record<string, string>>): Promise<void>;
  /** Notes where the message of an open run is now. @returns false for a final or unknown run, which stays as it is. */
  move(id: string, address: QueueAddress): Promise<boolean>;
  /** One entry for each id; null for an unknown run. */
  progress(ids: readonly string[]): Promise<(RunProgress | null)[]>;
  /** Sets the remaining lifetime of runs that are no longer needed. */
  shorten(ids: readonly string[], ttlMs: number): Promise<void>;
  /** Deletes the run, its log, and what its client's key stood for. For an hour a message of it is told that it is `gone`. */
  remove(id: string, idempotencyKey: string | null): Promise<void>;
  readonly completions: CompletionList;
  close(): Promise<void>;
}
