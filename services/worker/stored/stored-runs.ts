/**
 * Attempts at stored runs. The record in Redis is authoritative, and the worker settles these deliveries itself, each only
 * after the record confirmed that its attempt is the current one: answer stored → ack, to be retried → NAK, given up → dead
 * letter and TERM. While an attempt runs, its lease is renewed.
 */
import {
  type AttemptKey,
  type FailedMeta,
  type Frame,
  isCutShort,
  JSON_CONTENT_TYPE,
  type QueueAddress,
  type ResultMeta,
  type WorkEnvelope,
} from '@penstock/protocol';
import { asStoredWork, endedBy, type RunAttempts } from '@penstock/runs';
import type { Clock, Logger } from '@penstock/runtime';
import type {
  ClaimCheck,
  DeadReason,
  GivenSeals,
  RequestBodies,
  RunEnd,
  RunLog,
  RunStore,
  WorkConsumer,
  WorkPublisher,
} from '@penstock/transport';
import type { Attempt } from '../attempts/attempt.ts';
import type { Continuation } from '../attempts/continuation.ts';
import type { Continuing } from '../attempts/continuing.ts';
import { written } from './persistent-write.ts';
import { type ResumeState, readResumeState } from './resume-state.ts';
import { RunLogWriter } from './run-log-writer.ts';

export interface StoredRunsOptions {
  readonly store: Pick<RunStore, 'progress' | 'read'>;
  readonly attempts: RunAttempts;
  readonly log: RunLog;
  readonly bodies: Pick<RequestBodies, 'read'>;
  readonly claims: Pick<ClaimCheck, 'discard'>;
  readonly continuing: Pick<Continuing, 'canContinue' | 'countTokens'>;
  readonly queue: Pick<WorkConsumer, 'settle'> & Pick<WorkPublisher, 'moveToDead'>;
  /** Of what this worker is given. */
  readonly seals: Pick<GivenSeals, 'receive'>;
  readonly worker: string;
  readonly ackWaitMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What an attempt at a stored run begins with. */
export type Beginning =
  | { readonly kind: 'fenced' | 'gone' }
  | {
      readonly kind: 'begun';
      readonly resumeState: ResumeState | null;
      readonly continuation: Continuation | null;
    };

const UNREADABLE: FailedMeta = {
  code: 'engine_error',
  message: 'the engine sent events that are not JSON',
  retryable: true,
};
/** Another attempt could only contradict what a reader has seen. */
const STREAM_BROKEN = { code: 'stream_interrupted', retryable: false } as const;
const HANDED_BACK = 'shutting_down';
/** Content type of a run whose answer is its log. */
const STREAM_TYPE = 'text/event-stream; charset=utf-8';

export class StoredRuns {
  readonly #o: StoredRunsOptions;
  readonly #leases = new Map<Attempt, NodeJS.Timeout>();
  readonly #writers = new Map<Attempt, RunLogWriter>();
  #pending = 0;

  constructor(options: StoredRunsOptions) {
    this.#o = options;
  }

  /** Outcomes not yet written. */
  get pending(): number {
    return this.#pending;
  }

  /** Whether the attempt runs here, or its outcome is not written yet. */
  has(id: string, attempt: number): boolean {
    return [...this.#leases.keys()].some(each => each.id === id && each.number === attempt);
  }

  /** The work as its engine is to get it. From then on its record can be sealed. @throws SealError where it cannot be opened here. */
  receive(work: WorkEnvelope): WorkEnvelope {
    return this.#o.seals.receive(work);
  }

  /** Makes the attempt the current one, and reads what earlier ones logged. */
  async begin(work: WorkEnvelope, address: QueueAddress, attempt: AttemptKey): Promise<Beginning> {
    const { attempts, log, worker } = this.#o;
    const { log: kind = 'none' } = work.meta;
    const outcome = await attempts.begin(work.meta, address, attempt, worker);
    if (outcome !== 'begun') return { kind: outcome };
    if (kind === 'none') return { kind: 'begun', resumeState: null, continuation: null };
    const bodyOf = () => this.#bodyOf(work);
    const { continuing } = this.#o;
    return { kind: 'begun', ...(await readResumeState(log, work, kind, attempt, bodyOf, continuing)) };
  }

  async #bodyOf({ meta, body }: WorkEnvelope): Promise<Buffer> {
    return meta.claim === undefined ? body : this.#o.bodies.read(meta.id, meta.claim);
  }

  /** Work whose ingress is gone may have been converted to a stored run. @returns it as stored work, or null. */
  async asStored(work: WorkEnvelope): Promise<WorkEnvelope | null> {
    const run = await this.#o.store.read(work.meta.id);
    return run === null ? null : asStoredWork(work, run);
  }

  /** Which of the runs are final: they were cancelled, or their time was over. */
  async ended(ids: readonly string[]): Promise<string[]> {
    const progress = await this.#o.store.progress(ids);
    return ids.filter((_, i) => {
      const run = progress[i];
      return run === null || (run !== undefined && run.status !== 'queued' && run.status !== 'in_progress');
    });
  }

  /** Renews the lease for as long as the attempt runs, and logs its answer where the run has a log. */
  attach(attempt: Attempt, resumeState: ResumeState | null): void {
    const renew = () => this.#o.queue.settle(attempt.ackSubject, 'progress');
    this.#leases.set(attempt, setInterval(renew, this.#o.ackWaitMs / 3));
    const { log: kind = 'none' } = attempt.work.meta;
    if (kind === 'none') return;
    const writer = new RunLogWriter({
      ...{ log: this.#o.log, id: attempt.id, attempt, kind, resumeState },
      onFenced: () => attempt.drop(),
      onBroken: message => attempt.giveUp({ ...STREAM_BROKEN, message }),
    });
    this.#writers.set(attempt, writer);
  }

  /** Takes the frames that are ready: events go to the log, the outcome into the record. */
  collect(attempt: Attempt): void {
    const frames: Frame[] = [];
    attempt.takeFrames(frames);
    const writer = this.#writers.get(attempt);
    for (const frame of frames) {
      if (frame.kind === 'accepted') continue;
      if (frame.kind !== 'events') this.#over(attempt, this.#written(writer, frame));
      else if (this.#written(writer, frame) !== frame) attempt.giveUp(UNREADABLE);
    }
  }

  /** @returns the frame, or a failure in its place where its events cannot be read. */
  #written(writer: RunLogWriter | undefined, frame: Frame): Frame {
    try {
      if (frame.kind === 'events' || frame.kind === 'end') writer?.add(frame.body, frame.kind === 'end');
      return frame;
    } catch {
      return { ...frame, kind: 'failed', meta: JSON.stringify(UNREADABLE) };
    }
  }

  #over(attempt: Attempt, last: Frame): void {
    this.#pending++;
    void this.#conclude(attempt, last)
      .catch((err: Error) => this.#o.logger.error({ id: attempt.id, err }, 'outcome not stored'))
      .finally(() => {
        this.#pending--;
        this.release(attempt);
      });
  }

  /** The attempt ended or was dropped: its lease is no longer renewed. */
  release(attempt: Attempt): void {
    clearInterval(this.#leases.get(attempt));
    this.#leases.delete(attempt);
    this.#writers.get(attempt)?.stop();
    this.#writers.delete(attempt);
  }

  async #conclude(attempt: Attempt, last: Frame): Promise<void> {
    if (last.kind === 'failed') return this.#failed(attempt, JSON.parse(last.meta) as FailedMeta);
    const writer = this.#writers.get(attempt);
    if (last.kind === 'end' && writer?.isBehind) {
      const message = 'the engine answered less than before, and part of the answer was already read';
      return this.#failed(attempt, { ...STREAM_BROKEN, message });
    }
    const end = await this.#endOf(attempt, last, writer);
    // The last entry may be complete while an earlier one could not be logged.
    if (writer?.broken) return this.#failed(attempt, { ...STREAM_BROKEN, message: writer.broken });
    const isStored = await this.#write(attempt, () => this.#o.attempts.finish(attempt.id, attempt, end));
    if (!isStored) return;
    this.#o.queue.settle(attempt.ackSubject, 'ack');
    void this.#o.claims.discard(attempt.work.meta);
  }

  async #endOf(attempt: Attempt, frame: Frame, writer: RunLogWriter | undefined): Promise<RunEnd> {
    const finishedAt = this.#o.clock.now();
    const { log = 'none' } = attempt.work.meta;
    if (frame.kind === 'end' && writer !== undefined) {
      const last = await writer.close();
      const isCut = isCutShort(writer.finishReason);
      const isWhole = log === 'deltas';
      const body = isWhole ? Buffer.from(JSON.stringify(writer.completion)) : Buffer.alloc(0);
      const result = {
        status: 200,
        contentType: isWhole ? JSON_CONTENT_TYPE : STREAM_TYPE,
        body,
        finishedAt,
      };
      return { status: isCut ? 'incomplete' : 'completed', result, log, last };
    }
    return endedBy(log, JSON.parse(frame.meta) as ResultMeta, frame.body, finishedAt);
  }

  async #failed(attempt: Attempt, failure: FailedMeta): Promise<void> {
    const { attempts, queue } = this.#o;
    const { ackSubject, work } = attempt;
    this.#writers.get(attempt)?.stop();
    // Not the request's fault: it is run elsewhere or later, and not counted as a failure.
    if (failure.code === HANDED_BACK) return queue.settle(ackSubject, 'nak');
    if (failure.busyMs !== undefined) {
      // Kept for the error of a run whose time ends before an engine has room.
      if (await this.#write(attempt, () => attempts.putBack(attempt.id, attempt, failure)))
        queue.settle(ackSubject, 'nak', failure.busyMs);
      return;
    }
    const outcome = await this.#write(attempt, () => attempts.fail(work.meta, attempt, failure));
    if (outcome.kind === 'again') queue.settle(ackSubject, 'nak', outcome.delayMs);
    if (outcome.kind === 'final')
      await this.#giveUp(attempt, { code: outcome.code, message: failure.message });
  }

  /** For as long as its lease is renewed and the run has time. */
  #write<T>(attempt: Attempt, write: () => Promise<T>): Promise<T> {
    const { clock } = this.#o;
    return written(write, () => this.#leases.has(attempt) && clock.now() < attempt.work.meta.deadlineAt);
  }

  async #giveUp(attempt: Attempt, reason: DeadReason): Promise<void> {
    const { queue, logger } = this.#o;
    const { meta } = attempt.work;
    logger.warn({ id: meta.id, code: reason.code }, 'stored run given up');
    await queue.moveToDead(attempt.address, reason).catch((err: Error) => {
      // The record has the failure; only the operator's copy is missing.
      logger.error({ id: meta.id, err }, 'dead letter not written');
    });
    queue.settle(attempt.ackSubject, 'term');
  }
}
