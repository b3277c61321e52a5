/**
 * Whether a queue stands: over a whole interval nothing has passed it quickly (CoDel, Nichols and Jacobson 2012). While a burst is worked off there
 * are moments in which something does; where there are none, more comes than is served.
 */

/** What passes within this is no sign of a standing queue, ms. */
const TARGET_MS = 500;
const INTERVAL_MS = 1000;

export class StandingQueue {
  #quickAt = Number.NEGATIVE_INFINITY;

  /** Something passed that had waited for so long; 0 where nothing waits. */
  passed(waitedMs: number, now: number): void {
    if (waitedMs < TARGET_MS || this.#quickAt === Number.NEGATIVE_INFINITY) this.#quickAt = now;
  }

  isStanding(now: number): boolean {
    return now - this.#quickAt >= INTERVAL_MS;
  }
}
