/** Closes deliveries, takes requests off the queue and stops workers. */
import { type AttemptKey, type FailedMeta, NO_NONCE } from '@penstock/protocol';
import { stopAttempt } from '@penstock/runs';
import type { Logger } from '@penstock/runtime';
import type { ClaimCheck, ControlChannel, WorkConsumer, WorkPublisher } from '@penstock/transport';
import { errorOf, type OpenRequest } from './open-request.ts';
import type { QueueEffect } from './transition.ts';

export type SettlementQueue = Pick<WorkConsumer, 'settle'> &
  Pick<WorkPublisher, 'purge'> &
  Pick<ControlChannel, 'send'>;

export class Settlement {
  readonly #queue: SettlementQueue;
  readonly #deadLetter: (request: OpenRequest, failure: FailedMeta) => Promise<void>;
  readonly #claims: Pick<ClaimCheck, 'discard'>;
  readonly #log: Logger;

  /** @param deadLetter keeps a copy of a request that failed on every attempt, and what its body is claimed with. */
  constructor(
    queue: SettlementQueue,
    deadLetter: (request: OpenRequest, failure: FailedMeta) => Promise<void>,
    claims: Pick<ClaimCheck, 'discard'>,
    log: Logger,
  ) {
    this.#queue = queue;
    this.#deadLetter = deadLetter;
    this.#claims = claims;
    this.#log = log;
  }

  carryOut(effect: QueueEffect, request: OpenRequest): void {
    const { running } = request;
    switch (effect.kind) {
      case 'ack':
        this.close(request, running?.ack ?? null);
        return;
      case 'renew_lease':
        if (running?.ack) this.#queue.settle(running.ack, 'progress');
        return;
      case 'nak':
        return this.#queue.settle(effect.ack, 'nak', effect.delayMs);
      case 'purge':
        if (request.unsent === null) this.#queue.purge(request.address);
        void this.#claims.discard(request);
        return;
      case 'stop_worker':
        return this.stopWorker(effect.worker, request.id, effect.attempt);
      case 'give_up':
        this.#giveUp(effect, request);
    }
  }

  /** The request is answered: its delivery is acked, and its body discarded. */
  close(request: OpenRequest, ack: string | null): void {
    if (ack) this.ack(ack);
    void this.#claims.discard(request);
  }

  ack(ack: string): void {
    this.#queue.settle(ack, 'ack');
  }

  stopWorker(worker: string, id: string, attempt: AttemptKey): void {
    stopAttempt(this.#queue, worker, id, attempt);
  }

  /** Closes the delivery after the dead letter was written or has failed. */
  #giveUp(
    { failure, reason, ack, worker }: Extract<QueueEffect, { kind: 'give_up' }>,
    request: OpenRequest,
  ): void {
    const { id, failures, starts, converted, attempt } = request;
    this.#log.warn({ id, worker, code: failure.code, reason, failures }, 'request given up');
    void this.#deadLetter(request, failure)
      .catch((err: Error) => this.#log.error({ id, err }, 'dead letter not written'))
      .finally(() => {
        if (ack) this.#queue.settle(ack, 'term');
        else this.#queue.purge(request.address);
      });
    const error = errorOf(failure, reason);
    if (converted === null) request.sink.error(error, { worker, attempt: starts, waitMs: 0 });
    else void converted.fail({ worker, number: attempt, nonce: NO_NONCE }, error).catch(() => {});
  }
}
