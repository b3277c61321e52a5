/**
 * Calls without a stream whose clients have waited too long. Each becomes a stored run, once: a running attempt
 * continues, and its answer goes into the record; a queued call, or one to be retried, is queued again as stored work.
 */
import { DispatchError, type Frame, NO_NONCE, type ResultMeta } from '@penstock/protocol';
import type { RunBy } from '@penstock/runs';
import type { Logger } from '@penstock/runtime';
import type { Conversion } from './conversion.ts';
import { moveDeadline, type OpenRequest } from './open-request.ts';
import type { Requeue } from './requeue.ts';
import type { Settlement } from './settlement.ts';
import type { ConversionEffect } from './transition.ts';

/** The error in the record of a call that could not be queued again. */
const LEFT_OUT = {
  gone: new DispatchError('deadline_exceeded'),
  refused: new DispatchError('broker_unavailable', {
    message: 'The queue did not take the request back. Send it again.',
  }),
} as const;

export interface ConversionsOptions {
  readonly requeue: Requeue;
  readonly settlement: Settlement;
  readonly log: Logger;
  /** Forgets an open request: from here on there is only its record. */
  readonly forget: (request: OpenRequest) => void;
}

export class Conversions {
  readonly #o: ConversionsOptions;
  readonly #handingOver = new Set<Promise<void>>();

  constructor(options: ConversionsOptions) {
    this.#o = options;
  }

  /** @param frame that which the effect is about, for `store_result`. */
  carryOut(effect: ConversionEffect, request: OpenRequest, frame: Frame | null, worker: string): void {
    switch (effect.kind) {
      case 'convert':
        void this.#convert(request, effect.conversion);
        return;
      case 'hand_over':
        void this.#handOver(request);
        return;
      case 'store_result':
        if (frame !== null) this.#storeResult(request, frame, worker);
        return;
      case 'store_error':
        void request.converted?.fail(byNobody(effect.attempt), effect.error).catch(() => {});
        return;
      case 'undo_conversion':
        void request.converted?.undo().catch(() => {});
    }
  }

  /** Resolves when this node has no hand-over to the queue under way. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#handingOver);
  }

  /** Creates the record, then answers the client. If the record cannot be created now, the client goes on waiting. */
  async #convert(request: OpenRequest, conversion: Conversion): Promise<void> {
    try {
      const stored = await conversion.record(request.running, request.address);
      if (request.gone) return await conversion.undo();
      request.converted = conversion;
      moveDeadline(request, conversion.run.deadlineAt);
      // In the same turn: from here on its answer goes into the record, so nothing may come in between that could fail.
      conversion.sendAway(stored);
      if (request.running !== null || request.gone) return;
      this.#o.forget(request);
      await this.#handOver(request);
    } catch (err) {
      this.#o.log.warn({ id: request.id, err }, 'waiting call not converted');
      request.conversion = request.converted === null ? conversion : null;
    }
  }

  /** The answer is stored, and only then acked. */
  #storeResult(request: OpenRequest, frame: Frame, worker: string): void {
    const ack = request.running?.ack ?? null;
    const { attempt: number, nonce } = frame;
    request.converted
      ?.finish({ worker, number, nonce }, JSON.parse(frame.meta) as ResultMeta, frame.body)
      .then(() => this.#o.settlement.close(request, ack))
      .catch((err: Error) =>
        this.#o.log.error({ id: request.id, err }, 'answer of a converted call not stored'),
      );
  }

  async #handOver(request: OpenRequest): Promise<void> {
    const { converted, attempt, id } = request;
    if (converted === null) return;
    const done = this.#o.requeue
      .handOver(request, converted)
      .then(outcome =>
        outcome === 'moved' ? undefined : converted.fail(byNobody(attempt + 1), LEFT_OUT[outcome]),
      )
      .catch((err: Error) => this.#o.log.error({ id, err }, 'converted call not handed over'))
      .finally(() => this.#handingOver.delete(done));
    this.#handingOver.add(done);
    await done;
  }
}

/** An end that no worker has reported. */
function byNobody(number: number): RunBy {
  return { worker: '', number, nonce: NO_NONCE };
}
