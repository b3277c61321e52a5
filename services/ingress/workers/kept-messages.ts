/**
 * Looks for the messages of requests that wait, after this node has lost its connection to the broker: a broker that has lost its disk has lost
 * them, and nobody would run these requests. Their bodies are nowhere else, so their clients are told at once to send them again, in place of
 * waiting for their deadlines. What runs is not looked for: it is answered all the same, or waits again and is looked for then.
 */
import type { QueueAddress } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { ControlChannel, WorkPublisher } from '@penstock/transport';

/** A request, as far as it is about its message. */
export interface QueuedRequest {
  readonly address: QueueAddress;
  readonly running: object | null;
  readonly gone: boolean;
  /** The stored run that it has become. */
  readonly converted: object | null;
  /** When the broker was last known to have its message, monotonic ms; Infinity until it has confirmed it. */
  keptAt: number;
}

export interface KeptMessagesOptions<R extends QueuedRequest> {
  readonly queue: Pick<WorkPublisher, 'read'> & Pick<ControlChannel, 'connected'>;
  /** Whether it is on its way from one place in the queue to another, and in none. */
  readonly isMoving: (request: R) => boolean;
  readonly clock: Pick<Clock, 'monotonic'>;
}

/** After the connection is back workers tell first what they have, and the broker may yet be starting, ms. */
const CALM_MS = 3000;
/** Messages that are read each time, at most: they come with their bodies. */
const MOST = 50;

export class KeptMessages<R extends QueuedRequest> {
  readonly #o: KeptMessagesOptions<R>;
  readonly #onLost: (request: R) => void;
  /** When the connection was last seen to be down, monotonic ms. */
  #downAt = Number.NEGATIVE_INFINITY;
  #isLooking = false;

  /** @param onLost told of a request that waits and has no message any more. */
  constructor(options: KeptMessagesOptions<R>, onLost: (request: R) => void) {
    this.#o = options;
    this.#onLost = onLost;
  }

  /** To be called every {@link CALL_EVERY_MS}, so that no outage is missed. */
  notice(): void {
    if (!this.#o.queue.connected) this.#downAt = this.#o.clock.monotonic();
  }

  /** Once a second. */
  async look(requests: Iterable<R>): Promise<void> {
    const now = this.#o.clock.monotonic();
    if (this.#isLooking || now - this.#downAt < CALM_MS || this.#downAt === Number.NEGATIVE_INFINITY) return;
    const unsure: R[] = [];
    for (const request of requests) {
      if (this.#isUnsure(request)) unsure.push(request);
      if (unsure.length === MOST) break;
    }
    this.#isLooking = true;
    for (const request of unsure) await this.#lookFor(request);
    this.#isLooking = false;
  }

  #isUnsure(request: R): boolean {
    const { running, gone, converted, keptAt } = request;
    // A stored run is looked after by a tasks process.
    if (gone || running !== null || converted !== null) return false;
    return keptAt <= this.#downAt && !this.#o.isMoving(request);
  }

  async #lookFor(request: R): Promise<void> {
    if (!this.#isUnsure(request)) return;
    const { queue, clock } = this.#o;
    const { address } = request;
    const from = clock.monotonic();
    // A broker that does not answer now is asked again.
    const stored = await queue.read(address).catch(() => undefined);
    if (stored === undefined || request.address !== address || !this.#isUnsure(request)) return;
    if (stored === null) this.#onLost(request);
    else request.keptAt = from;
  }
}
