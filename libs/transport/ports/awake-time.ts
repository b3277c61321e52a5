/**
 * The time in which this process could have heard something. While its event loop is busy, or the machine gives it no processor, answers wait
 * unread in its sockets, and timers run before they are read: measured by a clock, that would be the silence of others. So a timer tells that
 * the process is awake, and each time counts for two of its periods at most.
 */
export class AwakeTime {
  readonly #mostMs: number;
  readonly #now: () => number;
  #countedMs = 0;
  #tickedAt: number;

  /** @param periodMs of the timer that calls {@link tick}. */
  constructor(periodMs: number, now: () => number = () => performance.now()) {
    this.#mostMs = 2 * periodMs;
    this.#now = now;
    this.#tickedAt = now();
  }

  /** ms; only differences mean something. */
  get ms(): number {
    return this.#countedMs + Math.min(this.#mostMs, this.#now() - this.#tickedAt);
  }

  /** By the timer. */
  tick(): void {
    this.#countedMs = this.ms;
    this.#tickedAt = this.#now();
  }
}

/** Periods into which the limit of {@link afterAwake} is divided. */
const PERIODS = 8;

/** Calls back once this process has been awake for so long, ms. @returns what calls it off. */
export function afterAwake(limitMs: number, overdue: () => void): () => void {
  const periodMs = limitMs / PERIODS;
  const time = new AwakeTime(periodMs);
  const since = time.ms;
  const timer = setInterval(() => {
    time.tick();
    if (time.ms - since < limitMs) return;
    clearInterval(timer);
    overdue();
  }, periodMs);
  return () => clearInterval(timer);
}
