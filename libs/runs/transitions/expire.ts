/** Ends runs whose deadline has passed. The queue drops them silently, so any process that notices does it. */
import { isFinalStatus, type StoredRun, type WorkMeta } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { ClaimCheck, ClaimHolder, RunStore, RunTtl } from '@penstock/transport';
import type { DoneChannel } from '../done-channel.ts';
import { deadlineError, errorResult } from '../record/run-error.ts';
import { RUNNING_SLACK_MS } from '../record/run-life.ts';

export interface RunExpiryOptions {
  readonly store: Pick<RunStore, 'expire' | 'read' | 'time'>;
  readonly claims: Pick<ClaimCheck, 'discard'>;
  readonly done: DoneChannel;
  readonly ttl: Pick<RunTtl, 'logMs'>;
  readonly clock: Clock;
}

/** Read from the message or the record. */
type EndedRun = Pick<WorkMeta, 'id' | 'log'> & ClaimHolder;

export class RunExpiry {
  readonly #o: RunExpiryOptions;

  constructor(options: RunExpiryOptions) {
    this.#o = options;
  }

  /** Ends the run if its deadline has passed. @returns its current state; null if it was deleted. */
  async look(run: StoredRun): Promise<StoredRun | null> {
    if (isFinalStatus(run.status) || this.#o.clock.now() <= run.deadlineAt) return run;
    await this.end(run);
    return this.#o.store.read(run.id);
  }

  /** Ends the run if its deadline has passed; one that began in time has {@link RUNNING_SLACK_MS} more. @returns whether it did. */
  end(run: EndedRun): Promise<boolean> {
    return this.#end(run, this.#o.clock.now(), RUNNING_SLACK_MS);
  }

  /**
   * Ends a run that no worker began in time. The clock of this machine may be wrong, so the store's has to agree.
   * @returns whether the deadline had passed.
   */
  async endUnbegun(run: EndedRun & Pick<WorkMeta, 'deadlineAt'>): Promise<boolean> {
    const { clock, store } = this.#o;
    if (clock.now() < run.deadlineAt) return false;
    const now = await store.time();
    if (now < run.deadlineAt) return false;
    await this.#end(run, now, 0);
    return true;
  }

  async #end(run: EndedRun, now: number, slackMs: number): Promise<boolean> {
    const { store, done, ttl, claims } = this.#o;
    const { id, log = 'none' } = run;
    const { lastWords = null } = (await store.read(id)) ?? {};
    const error = errorResult(deadlineError(lastWords), now);
    const hasEnded = await store.expire({ id, log }, error, slackMs, ttl);
    if (hasEnded) {
      done.announce(id);
      void claims.discard(run);
    }
    return hasEnded;
  }
}

/**
 * When a run that was due, and was not ended, is due again, Unix ms; null for never.
 * @param now time of the check, Unix ms.
 */
export function dueAgain({ status, deadlineAt }: StoredRun, now: number): number | null {
  if (status === 'in_progress') return deadlineAt + RUNNING_SLACK_MS + 1;
  return deadlineAt >= now ? deadlineAt + 1 : null;
}
