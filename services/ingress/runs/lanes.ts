/** Backlog and start rate of the lanes of stored work, sampled once a second while they are asked for. */
import { type LaneState, learnStarts } from '@penstock/policy';
import type { WorkQueueKey } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { QueueAdmin } from '@penstock/transport';

/** A lane is no longer sampled when it was not asked for in this time, ms. */
const FORGET_MS = 30_000;
/** Most lanes sampled; any other counts as unknown. */
const MAX_LANES = 256;

interface Watched {
  readonly key: WorkQueueKey;
  askedAt: number;
  look: { at: number; pending: number; delivered: number } | null;
  startsPerS: number | null;
}

export const UNKNOWN_LANE: LaneState = { pending: 0, startsPerS: null };

export class Lanes {
  readonly #queue: QueueAdmin;
  readonly #clock: Clock;
  readonly #lanes = new Map<string, Watched>();

  constructor(queue: QueueAdmin, clock: Clock) {
    this.#queue = queue;
    this.#clock = clock;
  }

  /** The latest sample. Asking for a lane keeps it sampled. */
  state(key: WorkQueueKey): LaneState {
    const name = `${key.shard} ${key.slug} ${key.lane} ${key.size}`;
    const now = this.#clock.monotonic();
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      if (this.#lanes.size >= MAX_LANES) return UNKNOWN_LANE;
      lane = { key, askedAt: now, look: null, startsPerS: null };
      this.#lanes.set(name, lane);
      void this.#look(lane);
    }
    lane.askedAt = now;
    return { pending: lane.look?.pending ?? 0, startsPerS: lane.startsPerS };
  }

  /** Once a second. */
  tick(): void {
    const now = this.#clock.monotonic();
    for (const [name, lane] of this.#lanes) {
      if (now - lane.askedAt > FORGET_MS) this.#lanes.delete(name);
      else void this.#look(lane);
    }
  }

  async #look(lane: Watched): Promise<void> {
    const seen = await this.#queue.queueState(lane.key);
    if (seen === null) return;
    const at = this.#clock.monotonic();
    const before = lane.look;
    if (before !== null)
      lane.startsPerS = learnStarts(lane.startsPerS, {
        started: Math.max(0, seen.delivered - before.delivered),
        seconds: (at - before.at) / 1000,
        backlog: Math.min(before.pending, seen.pending),
      });
    lane.look = { at, ...seen };
  }
}
