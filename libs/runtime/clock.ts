/** Time as a dependency, so that what waits can be tested without waiting. */
export interface Clock {
  /** Unix ms. */
  now(): number;
  /** Monotonic ms; for durations. */
  monotonic(): number;
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
