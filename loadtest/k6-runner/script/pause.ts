/** Waiting that can be cut short for everyone at once: each scenario has one. */
export class Pause {
  readonly #waiting = new Set<() => void>();
  #stopped = false;

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Wakes all who wait; from now on nobody waits. */
  stop(): void {
    this.#stopped = true;
    for (const wake of [...this.#waiting]) wake();
  }

  /** Until a moment of the monotonic clock, ms. A timer may fire up to a millisecond late. */
  until(at: number): Promise<void> {
    const ms = at - performance.now();
    if (this.#stopped || ms <= 0) return Promise.resolve();
    return new Promise(resolve => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      // Longer than Node's timers can: wake and look again.
      const timer = setTimeout(wake, Math.min(ms, 2 ** 31 - 1));
      this.#waiting.add(wake);
    });
  }
}

/** Lets timers and sockets run. */
export function yieldToEvents(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}
