/** Notices bound requests that their workers do not take: all wait equally long, so the first that was added is due first. */
import type { Clock } from '@penstock/runtime';

export class BoundTimer {
  readonly #waitMs: number;
  readonly #clock: Clock;
  readonly #waiting: { readonly id: string; readonly until: number }[] = [];

  /** @param waitMs how long a bound request waits for its worker before it is offered to all. */
  constructor(waitMs: number, clock: Clock) {
    this.#waitMs = waitMs;
    this.#clock = clock;
  }

  add(id: string): void {
    this.#waiting.push({ id, until: this.#clock.monotonic() + this.#waitMs });
  }

  /** The next request that has waited for long enough, once; null where there is none. */
  takeDue(): string | null {
    const first = this.#waiting[0];
    if (first === undefined || first.until > this.#clock.monotonic()) return null;
    this.#waiting.shift();
    return first.id;
  }
}
