/** Looks at each open request once a second: what the clock and the fleet say of it becomes events. */
import type { Fleet } from '@penstock/fleet';
import type { Clock } from '@penstock/runtime';
import type { OpenRequest } from './open-request.ts';
import type { RequestEvent } from './transition.ts';

export interface WatchdogOptions {
  readonly fleet: Pick<Fleet, 'isAbandoned' | 'isLost' | 'isStranded' | 'isWithdrawn'>;
  readonly clock: Clock;
  /** Lease of a delivery, ms. */
  readonly ackWaitMs: number;
  /** How long the client of a call without a stream is held, ms. */
  readonly holdMs: number;
}

/** A worker says every other second what it runs: what it did not name for so long it does not run, ms. */
const UNNAMED_MS = 15_000;
/** One that was not heard for longer says nothing of what it runs, ms. */
const SILENT_MS = 5000;

export class Watchdog {
  readonly #o: WatchdogOptions;
  /** By worker: which process of it last said what it runs, and when. Those of the version before do not. */
  readonly #said = new Map<string, { readonly incarnation: string; readonly at: number }>();
  readonly #onEvent: (request: OpenRequest, event: RequestEvent) => void;

  constructor(options: WatchdogOptions, onEvent: (request: OpenRequest, event: RequestEvent) => void) {
    this.#o = options;
    this.#onEvent = onEvent;
  }

  /** A worker said what it runs for clients of this node. */
  hear(worker: string, incarnation: string): void {
    this.#said.set(worker, { incarnation, at: this.#o.clock.monotonic() });
  }

  look(requests: Iterable<OpenRequest>): void {
    const now = this.#o.clock.monotonic();
    for (const [worker, { at }] of this.#said) if (now - at > SILENT_MS) this.#said.delete(worker);
    for (const request of requests) {
      if (now >= request.endsAt) {
        this.#onEvent(request, { kind: 'deadline' });
        continue;
      }
      const waitedMs = now - request.openedAt;
      request.sink.waiting(waitedMs);
      if (request.conversion !== null && waitedMs >= this.#o.holdMs)
        this.#onEvent(request, { kind: 'held_too_long' });
      const event = this.#attemptEvent(request, now);
      if (event !== null) this.#onEvent(request, event);
    }
  }

  #attemptEvent(request: OpenRequest, now: number): RequestEvent | null {
    const { fleet, ackWaitMs } = this.#o;
    const { running, bound, slug, address, leaseAt, namedAt } = request;
    if (running === null && fleet.isWithdrawn(slug)) return { kind: 'model_left' };
    if (running === null && fleet.isAbandoned(slug)) return { kind: 'endpoint_left' };
    if (running === null)
      return bound === null && fleet.isStranded(slug, address.shard) ? { kind: 'stranded' } : null;
    if (fleet.isLost(running.worker, running.incarnation)) return { kind: 'worker_lost' };
    // Its last words were lost on the way: waiting for them would take until the deadline.
    const isSaying = this.#said.get(running.worker)?.incarnation === running.incarnation;
    if (isSaying && running.ack !== null && now - namedAt > UNNAMED_MS) return { kind: 'worker_lost' };
    return running.ack !== null && now - leaseAt >= ackWaitMs / 3 ? { kind: 'lease_due' } : null;
  }
}
