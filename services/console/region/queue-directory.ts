/** Which queues there are, so that the broker can be asked what waits in each: also those whose workers have gone. */
import type { Fleet } from '@penstock/fleet';
import type { Clock } from '@penstock/runtime';
import type { IngressNodes } from './ingress-nodes.ts';

/** A queue that nobody serves or waits for is asked for so long, ms. */
const KEPT_MS = 3_600_000;
const MOST_QUEUES = 2000;

interface Queue {
  readonly slug: string;
  readonly shards: Set<number>;
  /** Monotonic ms. */
  seenAt: number;
}

export interface QueueDirectoryOptions {
  readonly fleet: Pick<Fleet, 'members'>;
  readonly nodes: Pick<IngressNodes, 'waiting'>;
  readonly clock: Clock;
}

export class QueueDirectory {
  readonly #o: QueueDirectoryOptions;
  readonly #queues = new Map<string, Queue>();

  constructor(options: QueueDirectoryOptions) {
    this.#o = options;
  }

  known(): { readonly slug: string; readonly shards: readonly number[] }[] {
    const { fleet, nodes, clock } = this.#o;
    const now = clock.monotonic();
    for (const { slugs, heartbeat } of fleet.members())
      for (const slug of slugs) this.#see(slug, now)?.shards.add(heartbeat.shard);
    for (const { slug } of nodes.waiting()) this.#see(slug, now);
    for (const [slug, { seenAt }] of this.#queues) if (now - seenAt > KEPT_MS) this.#queues.delete(slug);
    return [...this.#queues.values()].map(({ slug, shards }) => ({ slug, shards: [...shards] }));
  }

  #see(slug: string, now: number): Queue | undefined {
    const known = this.#queues.get(slug);
    if (known !== undefined) known.seenAt = now;
    else if (this.#queues.size < MOST_QUEUES)
      this.#queues.set(slug, { slug, shards: new Set(), seenAt: now });
    return this.#queues.get(slug);
  }
}
