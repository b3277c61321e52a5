/** What waits in the queues of a region, asked of the broker round after round. */
import { LANES, type Lane, type SizeClass, type WorkQueueKey } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { QueueAdmin } from '@penstock/transport';

/** Rounds begin no closer than this, ms. */
const ROUND_MS = 1000;
/** Asking takes no more of the time than one part in so many: a large region is looked at less often. */
const SHARE = 4;
/** Questions under way at once. */
const AT_ONCE = 8;

export interface Depth {
  readonly slug: string;
  readonly lane: Lane;
  readonly pending: number;
  /** When the first was stored, Unix ms; null where nothing waits or it was not asked for. */
  readonly oldestAt: number | null;
}

export interface QueueDepthsOptions {
  readonly region: string;
  readonly queue: Pick<QueueAdmin, 'oldestPendingAt' | 'queueState'>;
  /** Queues to ask for: slugs, each with the shards that have a worker for it. */
  readonly known: () => readonly { readonly slug: string; readonly shards: readonly number[] }[];
  readonly clock: Clock;
}

const SIZES: Readonly<Record<Lane, readonly SizeClass[]>> = {
  interactive: ['short', 'medium', 'long'],
  background: ['any'],
  batch: ['any'],
};

export class QueueDepths {
  readonly #o: QueueDepthsOptions;
  #depths: readonly Depth[] = [];
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;

  constructor(options: QueueDepthsOptions) {
    this.#o = options;
  }

  /** As of the last round. One for each queue and lane. */
  read(): readonly Depth[] {
    return this.#depths;
  }

  start(): void {
    void this.#rounds();
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #rounds(): Promise<void> {
    const { clock } = this.#o;
    const begunAt = clock.monotonic();
    await this.look();
    const tookMs = clock.monotonic() - begunAt;
    const pauseMs = Math.max(ROUND_MS - tookMs, (SHARE - 1) * tookMs);
    if (!this.#isStopped) this.#timer = setTimeout(() => void this.#rounds(), pauseMs);
  }

  /** One round. */
  async look(): Promise<void> {
    const wanted = this.#o.known().flatMap(({ slug, shards }) => LANES.map(lane => ({ slug, lane, shards })));
    const depths: Depth[] = [];
    const next = wanted.values();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const { slug, lane, shards } of next) depths.push(await this.#depthOf(slug, lane, shards));
      }),
    );
    this.#depths = depths;
  }

  async #depthOf(slug: string, lane: Lane, shards: readonly number[]): Promise<Depth> {
    const { queue, region } = this.#o;
    let pending = 0;
    let oldestAt: number | null = null;
    for (const shard of shards)
      for (const size of SIZES[lane]) {
        const key: WorkQueueKey = { region, shard, slug, lane, size };
        const waiting = (await queue.queueState(key))?.pending ?? 0;
        pending += waiting;
        // Whoever waits at an ingress is known from there, and without a question to the broker.
        if (waiting === 0 || lane === 'interactive') continue;
        const at = await queue.oldestPendingAt(key);
        if (at !== null) oldestAt = Math.min(at, oldestAt ?? at);
      }
    return { slug, lane, pending, oldestAt };
  }
}
