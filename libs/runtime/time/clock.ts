/** Time as a dependency, so that tests need not wait. */
export interface Clock {
  /** Unix ms, whole. */
  now(): number;
  /** Monotonic ms; for durations. */
  monotonic(): number;
}

/** How much a monotonic clock may run apart from the server's, ms for each ms: 200 ppm. */
const DRIFT = 0.0002;

/**
 * The time of a region: that of its Redis, carried on by the monotonic clock of this machine. Deadlines, ends of leases and times of records
 * go from process to process, and the wall clock of one machine may be wrong by minutes. It is the machine's own until Redis has said the time.
 *
 * What Redis says is right to half the time that it took to ask. An answer that is more exact than what is known by now replaces it, and so
 * does one that contradicts it: Redis' clock was set, or this machine slept.
 */
export class RegionClock implements Clock {
  /** Unix ms when the monotonic clock was at zero; null until Redis has said. */
  #origin: number | null = null;
  #errorMs = 0;
  #heardAt = 0;

  now(): number {
    return this.#origin === null ? Date.now() : Math.floor(this.exact());
  }

  /** Unix ms with its fraction: waits of less than a millisecond are spans too. */
  exact(): number {
    return (this.#origin ?? performance.timeOrigin) + performance.now();
  }

  monotonic(): number {
    return performance.now();
  }

  /** @param serverMs what Redis said, Unix ms. @param askedAt and `answeredAt`: monotonic ms. */
  hear(serverMs: number, askedAt: number, answeredAt: number): void {
    const origin = serverMs - (askedAt + answeredAt) / 2;
    const errorMs = Math.max(0, answeredAt - askedAt) / 2;
    const knownMs = this.#errorMs + DRIFT * (answeredAt - this.#heardAt);
    const isAgreed = this.#origin !== null && Math.abs(origin - this.#origin) <= errorMs + knownMs;
    if (isAgreed && errorMs > knownMs) return;
    this.#origin = origin;
    this.#errorMs = errorMs;
    this.#heardAt = answeredAt;
  }
}

/** Of this process: it belongs to one region. */
export const regionClock = new RegionClock();
