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

export class Watchdog {
  readonly #o: WatchdogOptions;
  readonly #onEvent: (request: OpenRequest, event: RequestEvent) => void;

  constructor(options: WatchdogOptions, onEvent: (request: OpenRequest, event: RequestEvent) => void) {
    this.#o = options;
    this.#onEvent = onEvent;
  }

  look(requests: Iterable<OpenRequest>): void {
    const now = this.#o.clock.monotonic();
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

  #attemptEvent({ running, bound, slug, address, leaseAt }: OpenRequest, now: number): RequestEvent | null {
    const { fleet, ackWaitMs } = this.#o;
    if (running === null && fleet.isWithdrawn(slug)) return { kind: 'model_left' };
    if (running === null && fleet.isAbandoned(slug)) return { kind: 'endpoint_left' };
    if (running === null)
      return bound === null && fleet.isStranded(slug, address.shard) ? { kind: 'stranded' } : null;
    if (fleet.isLost(running.worker, running.incarnation)) return { kind: 'worker_lost' };
    return running.ack !== null && now - leaseAt >= ackWaitMs / 3 ? { kind: 'lease_due' } : null;
  }
}
