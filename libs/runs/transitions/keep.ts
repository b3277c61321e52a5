/** Stores answers that were already delivered, as if a worker had stored them. */
import type { NewRun } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { RunEnd, RunStore, RunTtl } from '@penstock/transport';
import { listCompletion } from './accept.ts';

export interface KeptAnswer
  extends Pick<
    NewRun,
    'id' | 'kind' | 'detail' | 'labels' | 'log' | 'tenant' | 'model' | 'slug' | 'createdAt'
  > {
  readonly status: 'completed' | 'incomplete';
  /** The chat completion. */
  readonly completion: object;
  /** The whole log as one entry; null for a run without a log. */
  readonly logged: Buffer | null;
}

export interface AnswerKeeperOptions {
  readonly store: Pick<RunStore, 'keep' | 'completions'>;
  readonly ttl: RunTtl;
  readonly clock: Clock;
}

export class AnswerKeeper {
  readonly #o: AnswerKeeperOptions;

  constructor(options: AnswerKeeperOptions) {
    this.#o = options;
  }

  /** Never rejects: a failure costs the stored copy, not the answer. */
  async keep({ status, completion, logged, ...about }: KeptAnswer): Promise<void> {
    const { store, ttl, clock } = this.#o;
    const finishedAt = clock.now();
    const run = { ...about, endpoint: 'chat', address: null, deadlineAt: finishedAt } as const;
    const body = Buffer.from(JSON.stringify(completion));
    const end: RunEnd = {
      status,
      result: { status: 200, contentType: 'application/json', body, finishedAt },
      log: about.log ?? 'none',
      last: logged === null ? null : { entry: logged, at: 0 },
    };
    await Promise.all([store.keep(run, end, ttl), listCompletion(store, run, ttl)]).catch(() => {});
  }
}
