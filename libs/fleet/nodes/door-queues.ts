/**
 * What waits at the doors of ingress nodes (decision 0012), as queues beside those of the broker, which does not know of it. Nodes say it once a second in
 * their status.
 */
import { LOST_AFTER_MS } from '@penstock/policy';
import type { IngressStatus, Lane, SizeClass } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';

/** A queue as the broker's are surveyed. */
export interface DoorQueue {
  readonly shard: number;
  readonly slug: string;
  readonly lane: Lane;
  readonly size: SizeClass;
  readonly waiting: number;
  readonly delivered: number;
  /** Unix ms. */
  readonly oldestAt: number | null;
}

/** Far more than a region has, so that no number of made-up names takes all memory. */
const MOST_NODES = 1024;

export class DoorQueues {
  readonly #clock: Clock;
  /** By node. */
  readonly #told = new Map<string, { readonly queues: readonly DoorQueue[]; readonly at: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  hear({ ingress, leaving, waiting }: IngressStatus): void {
    const queues = leaving ? [] : waiting.filter(({ atDoor }) => atDoor > 0).map(row => this.#queueOf(row));
    this.#told.delete(ingress);
    if (queues.length > 0 && this.#told.size < MOST_NODES)
      this.#told.set(ingress, { queues, at: this.#clock.monotonic() });
  }

  /** As told last by nodes that are heard. */
  queues(): DoorQueue[] {
    const now = this.#clock.monotonic();
    for (const [node, { at }] of this.#told) if (now - at > LOST_AFTER_MS) this.#told.delete(node);
    return [...this.#told.values()].flatMap(({ queues }) => queues);
  }

  /** A survey of the broker's queues, and of these. */
  beside<Survey extends { readonly queues: readonly DoorQueue[] }>(survey: {
    look(): Promise<Survey>;
  }): { look(): Promise<Survey> } {
    return {
      look: async () => {
        const found = await survey.look();
        return { ...found, queues: [...found.queues, ...this.queues()] };
      },
    };
  }

  #queueOf({ slug, lane, atDoor: waiting, oldestMs }: IngressStatus['waiting'][number]): DoorQueue {
    const oldestAt = this.#clock.now() - oldestMs;
    return { ...{ shard: 0, slug, lane, size: 'any', waiting, delivered: 0 }, oldestAt };
  }
}
