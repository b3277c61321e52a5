/**
 * Work conservation: the reserve price only delays. A worker that has room and whose engine answers leaves a queued request to better
 * workers for about as long as the fastest worker would need for it if it were idle, and then takes it, whatever its own quote
 * says: the quote may be wrong. One prompt that an engine computes for half a minute says nothing of the next one where the
 * engine computes them side by side, and if every worker stays silent nobody serves.
 */

/** How long the reserve price may delay, see {@link mostDelayS}. */
export interface DelayLimits {
  readonly leastS: number;
  readonly mostS: number;
}

/** A request waits no less than a few round trips to the broker and the engine take, and no longer than people notice. */
export const DEFAULT_DELAYS: DelayLimits = { leastS: 0.05, mostS: 2 };

/**
 * The bound of the law, s: for so long at most a worker with room leaves the first request of a queue to others, and each of those
 * behind it for so long again.
 * @param idealS what the fleet's fastest worker needs for a prompt of the class when idle.
 */
export function mostDelayS(idealS: number, { leastS, mostS }: DelayLimits = DEFAULT_DELAYS): number {
  return Math.min(mostS, Math.max(leastS, idealS));
}
