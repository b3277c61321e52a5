/**
 * A write that the store refuses, tried again: for want of memory, while it loads its data or is a replica. That is no fault of the run:
 * failed for it, an answer that was paid for would be thrown away, and one that somebody reads would break off.
 */

/** Before the next try, ms: doubled each time, up to the second one. */
const FIRST_PAUSE_MS = 25;
const LONGEST_PAUSE_MS = 1000;

/** @param goesOn whether it is still to be tried. @throws what the last try threw, where it is not. */
export async function written<T>(write: () => Promise<T>, goesOn: () => boolean): Promise<T> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      return await write();
    } catch (err) {
      if (!goesOn()) throw err;
      await new Promise(resolve => setTimeout(resolve, pauseMs));
      if (!goesOn()) throw err;
    }
  }
}
