/**
 * Says of an open run whether it is lost: no queue has its message, and no worker runs it. A broker that loses its disk forgets messages; a
 * replica of the store that is promoted forgets that a run was answered, whose message was acked.
 */
import { encodeMessage, isFinalStatus, readRunningAnswer, type StoredRun } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { ControlChannel, QueueAdmin, RunStore } from '@penstock/transport';

/**
 * A run is in no queue for a moment before its message is published and while it moves. One that is queued again too early is not answered
 * twice for it: the later attempt fences the earlier one.
 */
const MISSING_MS = 5000;
const ASK_TIMEOUT_MS = 1000;

export interface LostRunFinderOptions {
  readonly runs: Pick<RunStore, 'read'>;
  readonly queue: Pick<QueueAdmin, 'holds'> & Pick<ControlChannel, 'ask'>;
  readonly region: string;
  readonly shards: number;
  readonly clock: Pick<Clock, 'monotonic'>;
}

interface Missing {
  /** When it was first missed, monotonic ms. */
  readonly since: number;
  readonly attempt: number;
  readonly worker: string | null;
}

export class LostRunFinder {
  readonly #o: LostRunFinderOptions;
  readonly #missing = new Map<string, Missing>();

  constructor(options: LostRunFinderOptions) {
    this.#o = options;
  }

  /** Runs that are missed and have to be looked at again. */
  get missed(): readonly string[] {
    return [...this.#missing.keys()];
  }

  forget(id: string): void {
    this.#missing.delete(id);
  }

  /** @returns the run if it has been lost for a while, which is said once; else null. @throws where broker or store cannot say. */
  async lookAt(id: string): Promise<StoredRun | null> {
    const { queue, runs, region, shards, clock } = this.#o;
    const run = (await queue.holds(region, shards, id)) ? null : await runs.read(id);
    if (run === null || isFinalStatus(run.status)) {
      this.forget(id);
      return null;
    }
    const now = clock.monotonic();
    const missed = this.#missing.get(id);
    if (missed === undefined || missed.attempt !== run.attempt || missed.worker !== run.worker) {
      this.#missing.set(id, { since: now, attempt: run.attempt, worker: run.worker });
      return null;
    }
    if (now - missed.since < MISSING_MS || (await this.#mayRun(run))) return null;
    this.forget(id);
    return run;
  }

  /** Whether its worker says so, or cannot be heard now: one that died is not there to be asked. */
  async #mayRun({ id, status, attempt, worker }: StoredRun): Promise<boolean> {
    if (status !== 'in_progress' || worker === null) return false;
    const question = encodeMessage({ runs: id, attempt });
    const answer = await this.#o.queue.ask({ kind: 'worker', worker }, question, ASK_TIMEOUT_MS);
    if (answer.kind === 'nobody') return false;
    return answer.kind === 'timeout' || readRunningAnswer(answer.payload)?.goesOn !== false;
  }
}
