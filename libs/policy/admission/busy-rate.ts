/**
 * How much workers begin a second while something waits for them, learned from what they do. A place where nothing waits teaches nothing: more
 * could have been begun there. It is kept for each worker, so that it holds while workers come and go.
 */

/** Time with a backlog over which it is averaged, s. */
const OVER_S = 10;
/** Of a backlog so long has to be seen before it counts alone, s. */
const PRIOR_S = 0.5;

export class BusyRate {
  /** In `#workerS` seconds of workers so much was begun. Earlier ones count less. */
  #begun = 0;
  #workerS = 0;

  /** So long something has waited for so many workers. */
  passed(seconds: number, workers: number): void {
    const kept = Math.exp(-seconds / OVER_S);
    this.#begun *= kept;
    this.#workerS = this.#workerS * kept + seconds * workers;
  }

  begun(amount: number): void {
    this.#begun += amount;
  }

  /**
   * @param promised by the quotes of all workers: what counts for as long as less has been seen.
   * @param next what one more is: it may be about to begin. So a long prompt at the beginning does not look like a standstill.
   */
  perSecond(workers: number, promised: number, next: number): number {
    const unseenS = Math.max(0, PRIOR_S * workers - this.#workerS);
    const seenS = this.#workerS + unseenS;
    if (seenS === 0) return 0;
    const begun = this.#begun + (unseenS === 0 ? next : 0);
    return (workers * begun + unseenS * promised) / seenS;
  }
}
