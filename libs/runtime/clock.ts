/** Time as a dependency, so that tests need not wait. */
export interface Clock {
  /** Unix ms. */
  now(): number;
  /** Monotonic ms; for durations. */
  monotonic(): number;
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
