/** Cancels runs: first in the record, then in the queue, then at the engine. */
import { type AttemptKey, encodeMessage, isFinalStatus, NO_NONCE, type StoredRun } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { ClaimCheck, ControlChannel, RunStore, RunTtl, WorkPublisher } from '@penstock/transport';
import type { DoneChannel } from '../done-channel.ts';

export interface RunCancellerOptions {
  readonly store: Pick<RunStore, 'cancel' | 'read' | 'remove'>;
  readonly queue: Pick<WorkPublisher, 'dropDead' | 'purge'> & Pick<ControlChannel, 'send'>;
  readonly claims: Pick<ClaimCheck, 'discard'>;
  readonly done: DoneChannel;
  readonly region: string;
  readonly ttl: Pick<RunTtl, 'logMs'>;
  readonly clock: Clock;
}

export class RunCanceller {
  readonly #o: RunCancellerOptions;

  constructor(options: RunCancellerOptions) {
    this.#o = options;
  }

  /** Does nothing to a final run. @returns its current state. */
  async cancel(run: StoredRun): Promise<StoredRun> {
    if (isFinalStatus(run.status)) return run;
    const now = (await this.#stop(run)) ?? run;
    this.#o.done.announce(run.id);
    return now;
  }

  /** As {@link cancel}, and deletes the record, after what is left elsewhere of a run that has failed for good. */
  async remove(run: StoredRun): Promise<void> {
    const { store, queue, claims, region } = this.#o;
    const { status } = await this.cancel(run);
    if (status === 'failed') {
      await queue.dropDead(region, run);
      await claims.discard(run);
    }
    await store.remove(run.id, null);
  }

  /** Cancels a line of a batch. Not announced: only the batch, which cancels it, waits for it. */
  async cancelLine(id: string, tenant: string): Promise<void> {
    await this.#stop({ id, tenant });
  }

  async #stop(run: Pick<StoredRun, 'id' | 'tenant' | 'log'>): Promise<StoredRun | null> {
    const { store, queue, ttl, clock } = this.#o;
    await store.cancel(run, clock.now(), ttl);
    // Read after the cancel, because a worker may have begun in between.
    const now = await store.read(run.id);
    if (now?.status !== 'cancelled') return now;
    if (now.address !== null) queue.purge(now.address);
    void this.#o.claims.discard(now);
    if (now.worker !== null) stopAttempt(queue, now.worker, run.id, { number: now.attempt, nonce: NO_NONCE });
    return now;
  }
}

/**
 * Tells a worker to stop an attempt; where its nonce is not known, earlier ones at the same request, too. Delivered at most once.
 */
export function stopAttempt(
  control: Pick<ControlChannel, 'send'>,
  worker: string,
  id: string,
  { number: attempt, nonce }: AttemptKey,
): void {
  const named = nonce === NO_NONCE ? {} : { nonce };
  control.send({ kind: 'worker', worker }, encodeMessage({ cancel: id, attempt, ...named }));
}
