/**
 * Calls without a stream whose clients have waited too long. Each becomes a stored run, once: what runs goes on here, and its
 * answer goes into the record; what waits, or has to be tried again, goes back to the queue as stored work of its own.
 */
import { DispatchError, type Frame, type ResultMeta } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import type { IngressMetrics } from '../metrics.ts';
import type { Affinity } from '../placement/affinity.ts';
import type { Conversion } from './conversion.ts';
import { moveDeadline, type OpenRequest } from './open-request.ts';
import { handOver, type MoveDeps } from './requeue.ts';

/** What the record says of a call that no longer waits in the queue. */
const LEFT_OUT = {
  gone: new DispatchError('deadline_exceeded'),
  refused: new DispatchError('broker_unavailable', {
    message: 'The queue did not accept the request again. Send it again.',
  }),
} as const;

export interface ConversionsOptions extends MoveDeps {
  readonly log: Logger;
  readonly metrics: IngressMetrics;
  readonly affinity: Affinity;
}

export class Conversions {
  readonly #o: ConversionsOptions;
  readonly #open: Map<string, OpenRequest>;
  readonly #cancel: (id: string) => void;

  constructor(deps: ConversionsOptions, open: Map<string, OpenRequest>, cancel: (id: string) => void) {
    this.#o = deps;
    this.#open = open;
    this.#cancel = cancel;
  }

  /** The record first, then the client learns of it. Where there can be no record now, it waits on. */
  async convert(request: OpenRequest, conversion: Conversion | 'refuse'): Promise<void> {
    request.conversion = null;
    if (conversion === 'refuse') {
      this.#cancel(request.id);
      request.sink.error(new DispatchError('held_too_long'), null);
      return;
    }
    try {
      await conversion.record(request.attempt, request.running?.worker ?? null);
      if (this.#open.get(request.id) !== request) return await conversion.undo();
      request.converted = conversion;
      moveDeadline(request, conversion.run.deadlineAt);
      await conversion.sendAway();
      if (request.running === null && this.#open.get(request.id) === request) await this.handOver(request);
    } catch (err) {
      this.#o.log.warn({ id: request.id, err: (err as Error).message }, 'waiting call not converted');
      request.conversion = request.converted === null ? conversion : null;
    }
  }

  /** The answer is stored, and only then acked. */
  finish(request: OpenRequest, converted: Conversion, frame: Frame, worker: string): void {
    const { metrics, queue, log, affinity } = this.#o;
    affinity.hear(request.slug, request.trail, worker, frame.body);
    this.#open.delete(request.id);
    metrics.finished.inc({ outcome: 'done' });
    const ack = request.running?.ack ?? null;
    converted
      .finish(frame.attempt, worker, JSON.parse(frame.meta) as ResultMeta, frame.body)
      .then(() => ack !== null && queue.settle(ack, 'ack'))
      .catch((err: Error) =>
        log.error({ id: request.id, err: err.message }, 'answer of a converted call not stored'),
      );
  }

  /** What nobody runs now is left to its record: any worker may take it, and this node need not live for it. */
  async handOver(request: OpenRequest): Promise<void> {
    const { converted, attempt, id } = request;
    this.#open.delete(id);
    if (converted === null) return;
    try {
      const outcome = await handOver(this.#o, request, converted.run.deadlineAt);
      if (outcome !== 'moved') await converted.fail(attempt + 1, '', LEFT_OUT[outcome]);
    } catch (err) {
      this.#o.log.error({ id, err: (err as Error).message }, 'converted call not handed over');
    }
  }
}
