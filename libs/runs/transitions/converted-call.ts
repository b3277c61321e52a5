/**
 * The record of a call that was converted to a stored run. The ingress that held the call still gets the answer of the attempt
 * that was running, and stores it in the worker's place.
 */
import type {
  AttemptKey,
  DispatchError,
  NewRun,
  QueueAddress,
  ResultMeta,
  StoredRun,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { RunEnd, RunStore, RunTtl } from '@penstock/transport';
import type { DoneChannel } from '../done-channel.ts';
import { errorResult } from '../record/run-error.ts';
import { recordLifeMs } from '../record/run-life.ts';
import { listCompletion, queueMsOf } from './accept.ts';
import { endedBy } from './attempts.ts';

/** An attempt at the call. */
export type RunBy = AttemptKey & { readonly worker: string };

export interface ConvertedCallOptions {
  readonly store: Pick<RunStore, 'begin' | 'completions' | 'create' | 'finish' | 'move' | 'remove'>;
  readonly done: DoneChannel;
  readonly ttl: RunTtl;
  readonly clock: Clock;
}

export class ConvertedCall {
  readonly #o: ConvertedCallOptions;
  #run: NewRun;

  constructor(options: ConvertedCallOptions, run: NewRun) {
    this.#o = options;
    this.#run = run;
  }

  get run(): NewRun {
    return this.#run;
  }

  /**
   * Creates the record. @param running who runs it now; null if it is still queued. @param address where its message is, by which whoever
   * cancels the run finds it. @returns the run as it is now. @throws where it could not be stored: then there is no record.
   */
  async create(running: RunBy | null, address: QueueAddress): Promise<StoredRun> {
    const { store, ttl } = this.#o;
    this.#run = { ...this.#run, address };
    try {
      await store.create(this.#run, recordLifeMs(queueMsOf(this.#run)), null);
      await listCompletion(store, this.#run, ttl);
      if (running !== null) await store.begin(this.#run.id, running, running.worker);
    } catch (err) {
      await this.withdraw().catch(() => {});
      throw err;
    }
    const status = running === null ? 'queued' : 'in_progress';
    const now = {
      worker: running?.worker ?? null,
      attempt: running?.number ?? 0,
      logLength: 0,
      result: null,
    };
    return { ...this.#run, status, ...now };
  }

  /** Its message is to be queued elsewhere. */
  async move(address: QueueAddress): Promise<void> {
    this.#run = { ...this.#run, address };
    await this.#o.store.move(this.#run.id, address);
  }

  /** Removes the record, of which no client knows. */
  async withdraw(): Promise<void> {
    const { store } = this.#o;
    await store.remove(this.run.id, null);
    if (this.run.kind === 'completion') await store.completions.remove(this.run.tenant, this.run.id);
  }

  finish(attempt: RunBy, meta: ResultMeta, body: Buffer): Promise<void> {
    return this.#end(attempt, endedBy(this.run.log ?? 'none', meta, body, this.#o.clock.now()));
  }

  fail(attempt: RunBy, error: DispatchError): Promise<void> {
    const result = errorResult(error, this.#o.clock.now());
    return this.#end(attempt, { status: 'failed', result, log: 'none', last: null });
  }

  async #end(attempt: RunBy, end: RunEnd): Promise<void> {
    const { store, done, ttl } = this.#o;
    const { id } = this.run;
    // The attempt may be later than the one that ran when the call was converted.
    await store.begin(id, attempt, attempt.worker);
    // Nothing was logged, so there is no log to keep and no follower to notify.
    if (await store.finish(id, attempt, { ...end, log: 'none' }, ttl)) done.announce(id);
  }
}
