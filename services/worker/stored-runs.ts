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
  isErrorCode,
  type ResultMeta,
  toErrorBody,
  workStream,
} from '@penstock/protocol';
import type { Clock, Logger } from '@penstock/runtime';
import type { BeginOutcome, RunStore, WorkQueue } from '@penstock/transport';
import type { Attempt } from './attempt.ts';

export interface StoredRunsOptions {
  readonly runs: RunStore;
  readonly queue: WorkQueue;
  readonly region: string;
  readonly shard: number;
  readonly worker: string;
  readonly ackWaitMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** An answer can be fetched for a day. */
const RESULT_TTL_MS = 24 * 3600 * 1000;
const JSON_TYPE = 'application/json; charset=utf-8';
const HANDED_BACK = 'shutting_down';

export class StoredRuns {
  readonly #o: StoredRunsOptions;
  readonly #leases = new Map<Attempt, NodeJS.Timeout>();
  #pending = 0;

  constructor(options: StoredRunsOptions) {
    this.#o = options;
  }

  /** Outcomes not yet written. */
  get pending(): number {
    return this.#pending;
  }

  /** Makes the attempt the current one. */
  begin(id: string, attempt: number): Promise<BeginOutcome> {
    return this.#o.runs.begin(id, attempt, this.#o.worker);
  }

  /** Keeps the delivery ours for as long as the attempt runs. */
  hold(attempt: Attempt): void {
    const renew = () => this.#o.queue.settle(attempt.o.ackSubject, 'progress');
    this.#leases.set(attempt, setInterval(renew, this.#o.ackWaitMs / 3));
  }

  /** The attempt has frames; only its last one matters here. */
  collect(attempt: Attempt): void {
    const frames: Frame[] = [];
    attempt.takeFrames(frames);
    const last = frames.at(-1);
    if (last?.kind !== 'result' && last?.kind !== 'failed') return;
    this.#pending++;
    void this.#conclude(attempt, last)
      .catch((err: Error) => this.#o.log.error({ id: attempt.id, err: err.message }, 'outcome not stored'))
      .finally(() => {
        this.#pending--;
        this.release(attempt);
      });
  }

  /** The attempt is over or was dropped. */
  release(attempt: Attempt): void {
    clearInterval(this.#leases.get(attempt));
    this.#leases.delete(attempt);
  }

  async #conclude(attempt: Attempt, last: Frame): Promise<void> {
    if (last.kind === 'failed') return this.#failed(attempt, JSON.parse(last.meta) as FailedMeta);
    const { runs, queue } = this.#o;
    const { status, contentType } = JSON.parse(last.meta) as ResultMeta;
    const result = { status, contentType, body: last.body, finishedAt: this.#o.clock.now() };
    if (!(await runs.finish(attempt.id, attempt.o.attempt, result, RESULT_TTL_MS))) return;
    queue.settle(attempt.o.ackSubject, 'ack');
    this.#tell(attempt.id);
  }

  async #failed(attempt: Attempt, failure: FailedMeta): Promise<void> {
    const { runs, queue } = this.#o;
    const { ackSubject, work } = attempt.o;
    // Not the request's fault: it goes on elsewhere, and the failure is not counted.
    if (failure.code === HANDED_BACK) return queue.settle(ackSubject, 'nak');
    const code = isErrorCode(failure.code) ? failure.code : 'engine_error';
    const error = new DispatchError(code, { message: failure.message });
    const body = Buffer.from(JSON.stringify(toErrorBody(error)));
    const stored = { status: error.status, contentType: JSON_TYPE, body, finishedAt: this.#o.clock.now() };
    const outcome = await runs.fail(
      attempt.id,
      attempt.o.attempt,
      stored,
      failure.retryable ? MAX_ATTEMPTS : 1,
    );
    if (outcome === 'again')
      queue.settle(ackSubject, 'nak', pauseOf(attempt.o.attempt, work.meta.deadlineAt));
    if (outcome === 'final') await this.#giveUp(attempt, code);
  }

  async #giveUp(attempt: Attempt, code: string): Promise<void> {
    const { queue, region, shard, log } = this.#o;
    const { meta } = attempt.o.work;
    log.warn({ id: meta.id, code }, 'stored run given up');
    const to = deadSubject(region, meta.slug, meta.id);
    await queue.moveToDead(workStream(region, shard), attempt.o.subject, to, code);
    queue.settle(attempt.o.ackSubject, 'term');
    this.#tell(meta.id);
  }

  #tell(id: string): void {
    this.#o.queue.send(doneSubject(this.#o.region), Buffer.from(id));
  }
}

function pauseOf(failures: number, deadlineAt: number): number {
  const failed = { failures: Math.min(failures, MAX_ATTEMPTS - 1), retryable: true, workerLost: false };
  const decision = decideRetry({ ...failed, shown: false, continuable: false, deadlineAt }, 0);
  return decision.kind === 'give_up' ? 0 : decision.delayMs;
}
