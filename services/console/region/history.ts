/** The last quarter of an hour, second by second: what the charts begin with. */
import type { RegionState, Sample } from '../shared/region-state.ts';
import type { NodeCounts } from './ingress-nodes.ts';
import { quantileBetween } from './latencies.ts';

const KEPT_SAMPLES = 900;
/** Percentiles of one point are those of so many seconds: a second alone has too few requests. */
const CHART_WINDOW_S = 10;
/** What the tiles say is of so many seconds. */
export const TILE_WINDOW_S = 60;

export class History {
  #samples: Sample[] = [];
  /** Once a second, newest last. */
  #counts: NodeCounts[] = [];

  /** Counts of `seconds` ago, or the first there are. */
  countsBefore(seconds: number): NodeCounts | undefined {
    return this.#counts.at(-1 - seconds) ?? this.#counts[0];
  }

  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /** @param at Unix ms. */
  samplesAfter(at: number): readonly Sample[] {
    const first = this.#samples.findIndex(([time]) => (time ?? 0) > at);
    return first < 0 ? [] : this.#samples.slice(first);
  }

  /** Once a second. */
  add({ at, totals }: RegionState, counts: NodeCounts): void {
    this.#counts = [...this.#counts.slice(-TILE_WINDOW_S), counts];
    const before = this.countsBefore(CHART_WINDOW_S) ?? counts;
    const wait = (quantile: number) => quantileBetween(before.queueWait, counts.queueWait, quantile);
    this.#samples.push([
      ...[at, totals.arrivalsPerS, totals.servedPerS, wait(0.5), wait(0.99)],
      ...[totals.running, totals.slots, totals.outputPerS, totals.queued],
    ]);
    if (this.#samples.length > KEPT_SAMPLES) this.#samples.shift();
  }
}
