/**
 * Runs whose answers are kept. The record in Redis is the truth, and this worker settles its own deliveries, each only
 * after the record said that its attempt is the current one: answer stored → ack, to be tried again → NAK, given up → dead
 * letter and TERM. While it runs it renews its lease.
 */
import { decideRetry, MAX_ATTEMPTS } from '@penstock/policy';
import {
  DispatchError,
  deadSubject,
  doneSubject,
  type FailedMeta,
  type Frame,
  isCutShort,
  isErrorCode,
  type ResultMeta,
  type RunResult,
  responseStatusOf,
  toErrorBody,
  type WorkEnvelope,
  workStream,
} from '@penstock/protocol';
import type { Clock, Logger } from '@penstock/runtime';
import type { RunEnd, RunLog, RunStore, RunTtl, WorkQueue } from '@penstock/transport';
import type { Attempt } from '../attempts/attempt.ts';
import type { Continuation } from '../attempts/continuation.ts';
import { type Logged, readLogged } from './resume-state.ts';
import { Journal } from './run-log-writer.ts';

export interface StoredRunsOptions {
  readonly runs: RunStore;
  readonly log: RunLog;
  readonly queue: WorkQueue;
  readonly region: string;
  readonly shard: number;
  readonly worker: string;
  readonly ackWaitMs: number;
  readonly ttl: RunTtl;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What an attempt at a stored run begins with. */
export type Beginning =
  | { readonly kind: 'fenced' | 'gone' }
  | { readonly kind: 'begun'; readonly logged: Logged | null; readonly continuation: Continuation | null };

const JSON_TYPE = 'application/json; charset=utf-8';
const UNREADABLE: FailedMeta = {
  code: 'engine_error',
  message: 'the engine sent events that are no JSON',
  retryable: true,
};
/** Another attempt could only contradict what was read. */
const STREAM_BROKEN = { code: 'stream_interrupted', retryable: false } as const;
const HANDED_BACK = 'shutting_down';
/** Content type of a run whose answer is its log. */
const STREAM_TYPE = 'text/event-stream; charset=utf-8';

export class StoredRuns {
  readonly #o: StoredRunsOptions;
  readonly #leases = new Map<Attempt, NodeJS.Timeout>();
  readonly #journals = new Map<Attempt, Journal>();
  #pending = 0;

  constructor(options: StoredRunsOptions) {
    this.#o = options;
  }

  /** Outcomes not yet written. */
  get pending(): number {
    return this.#pending;
  }

  /** Makes the attempt the current one, and looks at what earlier ones logged. */
  async begin(work: WorkEnvelope, attempt: number, isFirst: boolean): Promise<Beginning> {
    const { runs, log, worker } = this.#o;
    const { id, log: kind = 'none' } = work.meta;
    if (await this.#expire(work)) return { kind: 'gone' };
    const outcome = await runs.begin(id, attempt, worker);
    if (outcome !== 'begun') return { kind: outcome };
    if (isFirst || kind === 'none') return { kind: 'begun', logged: null, continuation: null };
    return { kind: 'begun', ...(await readLogged(log, work, kind, attempt)) };
  }

  /** Work that no ingress waits for any more may have become a stored run since. @returns it as such, or null. */
  async asStored(work: WorkEnvelope): Promise<WorkEnvelope | null> {
    const run = await this.#o.runs.read(work.meta.id);
    if (run === null) return null;
    const { log = 'none', deadlineAt } = run;
    return { body: work.body, meta: { ...work.meta, stored: true, log, deadlineAt } };
  }

  /** Ends work whose time was over before it was begun: by the clock of Redis too, for that of this machine may be wrong. */
  async #expire(work: WorkEnvelope): Promise<boolean> {
    const { runs, ttl, clock } = this.#o;
    const { id, log = 'none', deadlineAt } = work.meta;
    if (clock.now() < deadlineAt) return false;
    const now = await runs.time();
    if (now < deadlineAt) return false;
    const error = errorResult(new DispatchError('deadline_exceeded'), now);
    if (await runs.expire({ id, log }, error, 0, ttl)) this.#tell(id);
    return true;
  }

  /** Keeps the delivery ours for as long as the attempt runs. */
  hold(attempt: Attempt, logged: Logged | null): void {
    const renew = () => this.#o.queue.settle(attempt.o.ackSubject, 'progress');
    this.#leases.set(attempt, setInterval(renew, this.#o.ackWaitMs / 3));
    const { log: kind = 'none' } = attempt.o.work.meta;
    if (kind === 'none') return;
    const journal = new Journal({
      ...{ log: this.#o.log, id: attempt.id, attempt: attempt.o.attempt, kind },
      ...{ at: logged?.entries ?? 0, logged: logged?.ops ?? [], replays: logged?.replays ?? false },
      onFenced: () => attempt.drop(),
      onBroken: message => attempt.giveUp({ ...STREAM_BROKEN, message }),
    });
    this.#journals.set(attempt, journal);
  }

  /** The attempt has frames: what is said goes to the log, how it ended into the record. */
  collect(attempt: Attempt): void {
    const frames: Frame[] = [];
    attempt.takeFrames(frames);
    const journal = this.#journals.get(attempt);
    for (const frame of frames) {
      if (frame.kind === 'accepted') continue;
      if (frame.kind !== 'events') this.#over(attempt, this.#written(journal, frame));
      else if (this.#written(journal, frame) !== frame) attempt.giveUp(UNREADABLE);
    }
  }

  /** @returns the frame, or a failure in its place where its events cannot be read. */
  #written(journal: Journal | undefined, frame: Frame): Frame {
    try {
      if (frame.kind === 'events' || frame.kind === 'end') journal?.add(frame.body, frame.kind === 'end');
      return frame;
    } catch {
      return { ...frame, kind: 'failed', meta: JSON.stringify(UNREADABLE) };
    }
  }

  #over(attempt: Attempt, last: Frame): void {
    this.#pending++;
    void this.#conclude(attempt, last)
      .catch((err: Error) => this.#o.logger.error({ id: attempt.id, err: err.message }, 'outcome not stored'))
      .finally(() => {
        this.#pending--;
        this.release(attempt);
      });
  }

  /** The attempt is over or was dropped. */
  release(attempt: Attempt): void {
    clearInterval(this.#leases.get(attempt));
    this.#leases.delete(attempt);
    this.#journals.get(attempt)?.stop();
    this.#journals.delete(attempt);
  }

  async #conclude(attempt: Attempt, last: Frame): Promise<void> {
    if (last.kind === 'failed') return this.#failed(attempt, JSON.parse(last.meta) as FailedMeta);
    const journal = this.#journals.get(attempt);
    if (last.kind === 'end' && journal?.isBehind) {
      const message = 'the engine answered less than before, and part of the answer was read already';
      return this.#failed(attempt, { ...STREAM_BROKEN, message });
    }
    const end = await this.#endOf(attempt, last, journal);
    // The end of the answer may be whole while a part before it was not logged.
    if (journal?.broken) return this.#failed(attempt, { ...STREAM_BROKEN, message: journal.broken });
    if (!(await this.#o.runs.finish(attempt.id, attempt.o.attempt, end, this.#o.ttl))) return;
    this.#o.queue.settle(attempt.o.ackSubject, 'ack');
    this.#tell(attempt.id);
  }

  async #endOf(attempt: Attempt, frame: Frame, journal: Journal | undefined): Promise<RunEnd> {
    const finishedAt = this.#o.clock.now();
    const { log = 'none' } = attempt.o.work.meta;
    if (frame.kind === 'end' && journal !== undefined) {
      const last = await journal.close();
      const isCut = isCutShort(journal.finishReason);
      const isWhole = log === 'deltas';
      const body = isWhole ? Buffer.from(JSON.stringify(journal.completion)) : Buffer.alloc(0);
      const result = { status: 200, contentType: isWhole ? JSON_TYPE : STREAM_TYPE, body, finishedAt };
      return { status: isCut ? 'incomplete' : 'completed', result, log, last };
    }
    const { status, contentType } = JSON.parse(frame.meta) as ResultMeta;
    const result = { status, contentType, body: frame.body, finishedAt };
    return { status: log === 'deltas' ? responseStatusOf(result) : 'completed', result, log, last: null };
  }

  async #failed(attempt: Attempt, failure: FailedMeta): Promise<void> {
    const { runs, queue } = this.#o;
    const { ackSubject, work } = attempt.o;
    this.#journals.get(attempt)?.stop();
    // Not the request's fault: it goes on elsewhere, and the failure is not counted.
    if (failure.code === HANDED_BACK) return queue.settle(ackSubject, 'nak');
    const code = isErrorCode(failure.code) ? failure.code : 'engine_error';
    const error = new DispatchError(code, { message: failure.message });
    const end = { result: errorResult(error, this.#o.clock.now()), log: work.meta.log ?? 'none' };
    const most = failure.retryable ? MAX_ATTEMPTS : 1;
    const outcome = await runs.fail(attempt.id, attempt.o.attempt, end, most, this.#o.ttl);
    if (outcome === 'again')
      queue.settle(ackSubject, 'nak', pauseOf(attempt.o.attempt, work.meta.deadlineAt));
    if (outcome === 'final') await this.#giveUp(attempt, code);
  }

  async #giveUp(attempt: Attempt, code: string): Promise<void> {
    const { queue, region, shard, logger } = this.#o;
    const { meta } = attempt.o.work;
    logger.warn({ id: meta.id, code }, 'stored run given up');
    const to = deadSubject(region, meta.slug, meta.id);
    await queue.moveToDead(workStream(region, shard), attempt.o.subject, to, code).catch((err: Error) => {
      // The record says that it failed; only the operator's copy is missing.
      logger.error({ id: meta.id, err }, 'dead letter not written');
    });
    queue.settle(attempt.o.ackSubject, 'term');
    this.#tell(meta.id);
  }

  #tell(id: string): void {
    this.#o.queue.send(doneSubject(this.#o.region), Buffer.from(id));
  }
}

function errorResult(error: DispatchError, finishedAt: number): RunResult {
  const body = Buffer.from(JSON.stringify(toErrorBody(error)));
  return { status: error.status, contentType: JSON_TYPE, body, finishedAt };
}

function pauseOf(failures: number, deadlineAt: number): number {
  const failed = { failures: Math.min(failures, MAX_ATTEMPTS - 1), retryable: true, workerLost: false };
  const decision = decideRetry({ ...failed, shown: false, continuable: false, deadlineAt }, 0);
  return decision.kind === 'give_up' ? 0 : decision.delayMs;
}
