/**
 * Looks at the region every five seconds, for the metrics: what waits in the queue and how long, how full the broker and Redis are, what
 * webhooks have to be sent. Several processes may look; each shows the same. What could not be looked at is not shown: an old figure
 * would hide that the servers are away.
 */
import { type Clock, type Logger, within } from '@penstock/runtime';
import type { DeliveryJobs, QueueSurvey, StoreSurvey } from '@penstock/transport';

const EVERY_MS = 5000;
/** What takes longer is not waited for. */
const LIMIT_MS = 4000;

export interface RegionWatchOptions {
  readonly queue: Pick<QueueSurvey, 'look'>;
  readonly store: Pick<StoreSurvey, 'look'>;
  readonly webhookJobs: DeliveryJobs['counts'];
  readonly clock: Clock;
  readonly log: Logger;
}

/** As of the last look; each part null where it could not be had. */
export interface RegionState {
  readonly queue: Awaited<ReturnType<QueueSurvey['look']>> | null;
  readonly store: Awaited<ReturnType<StoreSurvey['look']>> | null;
  readonly webhookJobs: Awaited<ReturnType<DeliveryJobs['counts']>> | null;
  /** Unix ms. */
  readonly at: number;
}

export const UNSEEN: RegionState = { queue: null, store: null, webhookJobs: null, at: 0 };

export class RegionWatch {
  readonly #o: RegionWatchOptions;
  #state = UNSEEN;
  #isLooking = false;

  constructor(options: RegionWatchOptions) {
    this.#o = options;
  }

  get state(): RegionState {
    return this.#state;
  }

  /** Looks now and every five seconds. @returns a function that stops it. */
  start(): () => void {
    void this.look();
    const timer = setInterval(() => void this.look(), EVERY_MS);
    return () => clearInterval(timer);
  }

  /** Never rejects. */
  async look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const { queue, store, webhookJobs, clock } = this.#o;
    const [inQueue, inStore, jobs] = await Promise.all([
      this.#part('queue', () => queue.look()),
      this.#part('store', () => store.look()),
      this.#part('webhooks', webhookJobs),
    ]);
    this.#state = { queue: inQueue, store: inStore, webhookJobs: jobs, at: clock.now() };
    this.#isLooking = false;
  }

  async #part<T>(part: string, read: () => Promise<T>): Promise<T | null> {
    try {
      return await within(LIMIT_MS, read());
    } catch (err) {
      this.#o.log.debug({ part, err }, 'region not looked at; trying again');
      return null;
    }
  }
}
