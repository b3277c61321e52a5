/**
 * Calls without a stream whose clients have waited too long. Each becomes a stored run, once: what runs goes on here, and its
 * answer goes into the record; what waits, or has to be tried again, goes back to the queue as stored work of its own.
 */
import { DispatchError, type Frame, type ResultMeta } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import type { IngressMetrics } from '../metrics.ts';
import type { Affinity } from '../placement/affinity.ts';
import { type Held, moveDeadline, type OpenRequest } from './open-request.ts';
import { handOver, type MoveDeps } from './requeue.ts';

/** What the record says of a call that no longer waits in the queue. */
const LEFT_OUT = {
  gone: new DispatchError('deadline_exceeded'),
  refused: new DispatchError('broker_unavailable', { message: 'The queue did not take it again. Ask anew.' }),
} as const;

export interface HeldDeps extends MoveDeps {
  readonly log: Logger;
  readonly metrics: IngressMetrics;
  readonly affinity: Affinity;
}

export class HeldCalls {
  readonly #o: HeldDeps;
  readonly #open: Map<string, OpenRequest>;
  readonly #cancel: (id: string) => void;

  constructor(deps: HeldDeps, open: Map<string, OpenRequest>, cancel: (id: string) => void) {
    this.#o = deps;
    this.#open = open;
    this.#cancel = cancel;
  }

  /** The record first, then the client learns of it. Where there can be no record now, it waits on. */
  async sendAway(request: OpenRequest, hold: Held | 'refuse'): Promise<void> {
    request.hold = null;
    if (hold === 'refuse') {
      this.#cancel(request.id);
      request.sink.error(new DispatchError('held_too_long'), null);
      return;
    }
    try {
      await hold.adopt(request.attempt, request.running?.worker ?? null);
      if (this.#open.get(request.id) !== request) return await hold.forget();
      request.kept = hold;
      moveDeadline(request, hold.run.deadlineAt);
      await hold.announce();
      if (request.running === null && this.#open.get(request.id) === request) await this.leave(request);
    } catch (err) {
      this.#o.log.warn(
        { id: request.id, err: (err as Error).message },
        'could not send a waiting client away',
      );
      request.hold = request.kept === null ? hold : null;
    }
  }

  /** The answer is stored, and only then acked. */
  finish(request: OpenRequest, kept: Held, frame: Frame, worker: string): void {
    const { metrics, queue, log, affinity } = this.#o;
    affinity.hear(request.slug, request.trail, worker, frame.body);
    this.#open.delete(request.id);
    metrics.finished.inc({ outcome: 'done' });
    const ack = request.running?.ack ?? null;
    kept
      .finish(frame.attempt, worker, JSON.parse(frame.meta) as ResultMeta, frame.body)
      .then(() => ack !== null && queue.settle(ack, 'ack'))
      .catch((err: Error) => log.error({ id: request.id, err: err.message }, 'held answer not stored'));
  }

  /** What nobody runs now is left to its record: any worker may take it, and this node need not live for it. */
  async leave(request: OpenRequest): Promise<void> {
    const { kept, attempt, id } = request;
    this.#open.delete(id);
    if (kept === null) return;
    try {
      const outcome = await handOver(this.#o, request, kept.run.deadlineAt);
      if (outcome !== 'moved') await kept.fail(attempt + 1, '', LEFT_OUT[outcome]);
    } catch (err) {
      this.#o.log.error({ id, err: (err as Error).message }, 'held request not handed over');
    }
  }
}
