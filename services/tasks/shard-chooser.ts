/** Which stream of the region a line goes to: one whose workers serve its model, as their heartbeats say. */
import { decideShard, type ShardLoad } from '@penstock/policy';
import type { Heartbeat } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';

/** A worker silent for this long is not counted, ms. */
const SILENT_MS = 5000;
/** Assumed of a worker that has not learned its rate, tokens/s: shards of new workers are not left out. */
const UNKNOWN_RATE = 1000;

export class ShardChooser {
  readonly #shards: number;
  readonly #clock: Clock;
  readonly #workers = new Map<string, { readonly heartbeat: Heartbeat; readonly at: number }>();

  constructor(shards: number, clock: Clock) {
    this.#shards = shards;
    this.#clock = clock;
  }

  hear(heartbeat: Heartbeat): void {
    if (heartbeat.leaving) this.#workers.delete(heartbeat.worker);
    else this.#workers.set(heartbeat.worker, { heartbeat, at: this.#clock.monotonic() });
  }

  /** @param rand uniform in [0, 1). Any shard where nobody serves the model now. */
  shardFor(slug: string, rand: number): number {
    if (this.#shards === 1) return 0;
    const loads = this.#loads(slug);
    if (loads.length === 0) return Math.floor(rand * this.#shards);
    return decideShard(loads, [rand, (rand * 7919) % 1]);
  }

  #loads(slug: string): ShardLoad[] {
    const byShard = new Map<number, { tokensPerSec: number; waitS: number; workers: number }>();
    const since = this.#clock.monotonic() - SILENT_MS;
    for (const [worker, { heartbeat, at }] of this.#workers) {
      if (at < since) this.#workers.delete(worker);
      else if (heartbeat.pulling && heartbeat.models.some(model => model.slug === slug)) {
        const sum = byShard.get(heartbeat.shard) ?? { tokensPerSec: 0, waitS: 0, workers: 0 };
        sum.tokensPerSec += heartbeat.tokensPerSec || UNKNOWN_RATE;
        sum.waitS += heartbeat.waitS;
        sum.workers++;
        byShard.set(heartbeat.shard, sum);
      }
    }
    return [...byShard].map(([shard, { tokensPerSec, waitS, workers }]) => ({
      shard,
      tokensPerSec,
      meanWaitS: waitS / workers,
    }));
  }
}
