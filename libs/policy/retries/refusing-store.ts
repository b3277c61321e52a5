/** How long work stays in the queue that no worker may begin, because the store refuses to note it. */

const SHORTEST_MS = 1000;
const LONGEST_MS = 30_000;

/**
 * Doubles from one delivery to the next, since it is as long as the store has refused so far. The store refuses all work alike, so
 * the deliveries of a message say less: it may have been handed back often for want of room.
 */
export function storePauseMs(refusingForMs: number): number {
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, refusingForMs));
}
