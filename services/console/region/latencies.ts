/** Histograms of all ingress nodes added up, and what a stretch of time adds to them. */
import type { StatusHistogram } from '@penstock/protocol';

/** Upper bound, s → how many took no longer; Infinity → all. */
export type LatencyCounts = ReadonlyMap<number, number>;

export class Latencies {
  readonly #counts = new Map<number, number>();

  /** Adds what a process has counted since. @param before what it had counted; null for a process that has just begun. */
  add(before: StatusHistogram | null, after: StatusHistogram): void {
    const earlier = new Map(before === null ? [] : entriesOf(before));
    for (const [bound, count] of entriesOf(after)) {
      const more = Math.max(0, count - (earlier.get(bound) ?? 0));
      this.#counts.set(bound, (this.#counts.get(bound) ?? 0) + more);
    }
  }

  read(): LatencyCounts {
    return new Map(this.#counts);
  }
}

function entriesOf({ bounds, counts }: StatusHistogram): (readonly [number, number])[] {
  return counts.map((count, i) => [bounds[i] ?? Number.POSITIVE_INFINITY, count] as const);
}

/** What came between two readings, by rising bound. */
function between(from: LatencyCounts, to: LatencyCounts): (readonly [number, number])[] {
  return [...to]
    .map(([bound, count]) => [bound, count - (from.get(bound) ?? 0)] as const)
    .sort(([a], [b]) => a - b);
}

export function countBetween(from: LatencyCounts, to: LatencyCounts): number {
  return (to.get(Number.POSITIVE_INFINITY) ?? 0) - (from.get(Number.POSITIVE_INFINITY) ?? 0);
}

/** As Prometheus' `histogram_quantile`: evenly spread within a bucket, and the last finite bound above it. Null where nothing came. */
export function quantileBetween(from: LatencyCounts, to: LatencyCounts, quantile: number): number | null {
  const rank = quantile * countBetween(from, to);
  if (rank === 0) return null;
  let [lower, below] = [0, 0];
  for (const [bound, count] of between(from, to)) {
    if (count >= rank)
      return bound === Number.POSITIVE_INFINITY
        ? lower
        : lower + (bound - lower) * ((rank - below) / (count - below));
    [lower, below] = [bound, count];
  }
  return lower;
}

/** How many took no longer than `limit`, evenly spread within a bucket. */
export function countWithin(from: LatencyCounts, to: LatencyCounts, limit: number): number {
  let [lower, below] = [0, 0];
  for (const [bound, count] of between(from, to)) {
    if (bound > limit) {
      const share = bound === Number.POSITIVE_INFINITY ? 0 : (limit - lower) / (bound - lower);
      return below + (count - below) * share;
    }
    [lower, below] = [bound, count];
  }
  return below;
}
