/**
 * Queues open runs again that are lost ({@link LostRunFinder}), from what their records keep. One process at a time looks, at a bounded
 * number of them each time. Batches look after their own lines.
 */
import { isFinalStatus, type StoredRun } from '@penstock/protocol';
import { LostRunFinder, type LostRunFinderOptions, queueAgain, type RunExpiry } from '@penstock/runs';
import type { Clock, Logger } from '@penstock/runtime';
import type { OpenRuns, RunStore, WorkPublisher } from '@penstock/transport';
import { every, rounds } from './rounds.ts';
import type { HousekeepingObserver } from './sweeper.ts';

const EVERY_MS = 2000;
/** The process that looks is followed by another after this silence. */
const OWNED_MS = 3 * EVERY_MS;
/** Runs looked at each time, at most: each is a question to the broker, or a few. */
const MOST = 100;

export interface LostRunsOptions extends LostRunFinderOptions {
  /** Name of this process. */
  readonly name: string;
  readonly open: Pick<OpenRuns, 'claim' | 'some'>;
  readonly runs: Pick<RunStore, 'message' | 'progress' | 'read' | 'requeue'>;
  readonly queue: LostRunFinderOptions['queue'] & Pick<WorkPublisher, 'publish'>;
  readonly expiry: Pick<RunExpiry, 'end'>;
  readonly watch: HousekeepingObserver;
  readonly clock: Clock;
  readonly log: Logger;
}

export class LostRuns {
  readonly #o: LostRunsOptions;
  /** One round. Never rejects. */
  readonly look: () => Promise<void>;
  readonly #finder: LostRunFinder;
  /** To be looked at in this round. */
  #ids: string[] = [];
  /** Where the round goes on; null where a new one begins. */
  #next: string | null = null;

  constructor(options: LostRunsOptions) {
    this.#o = options;
    this.#finder = new LostRunFinder(options);
    const trouble = 'open runs not looked at; trying again';
    this.look = rounds({ ...options, what: 'runs', trouble }, () => this.#lookIfFirst());
  }

  /** Looks every two seconds; several processes may, of which one does. @returns a function that stops it. */
  start(): () => void {
    return every(EVERY_MS, this.look);
  }

  async #lookIfFirst(): Promise<void> {
    const { open, name } = this.#o;
    if (await open.claim(name, OWNED_MS)) await this.#look();
  }

  async #look(): Promise<void> {
    // Those that are missed are looked at each time, so that it is soon known of them.
    const missed = this.#finder.missed.slice(0, MOST / 2);
    const ids = [...new Set([...missed, ...(await this.#some(MOST - missed.length))])];
    const found = await this.#o.runs.progress(ids);
    for (const [i, id] of ids.entries()) {
      const { status = null } = found[i] ?? {};
      if (status === null || isFinalStatus(status)) this.#finder.forget(id);
      else await this.#lookAt(id);
    }
  }

  async #some(most: number): Promise<string[]> {
    if (this.#ids.length === 0) {
      const { ids, next } = await this.#o.open.some(this.#next);
      this.#ids = [...ids];
      this.#next = next;
    }
    return this.#ids.splice(0, most);
  }

  async #lookAt(id: string): Promise<void> {
    const run = await this.#finder.lookAt(id);
    if (run !== null) await this.#queueAgain(run);
  }

  async #queueAgain(run: StoredRun): Promise<void> {
    const { runs: store, queue, expiry, watch, clock, log } = this.#o;
    const outcome = await queueAgain({ store, queue }, run, clock.now());
    if (outcome === 'overdue') await expiry.end(run);
    if (outcome !== 'queued') return;
    watch.removed('lost_run');
    log.warn(
      { id: run.id, attempt: run.attempt },
      'no queue had its message and nobody ran it: queued again',
    );
  }
}
