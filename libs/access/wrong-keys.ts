/**
 * Slows down who tries keys: an address that sent several wrong ones within a minute waits for each further refusal. A valid key is never
 * kept waiting, whatever comes from the same address: behind a load balancer that is everybody's.
 */
import type { Clock } from '@penstock/runtime';

/** Wrong keys of one address within {@link WINDOW_MS} that are answered at once. */
const FREE = 10;
const WINDOW_MS = 60_000;
const PAUSE_MS = 1000;
/** Kept waiting at once: beyond that they are answered, since each holds a connection. */
const MOST_WAITING = 256;
/** Told apart; all others count as one. */
const MOST_ADDRESSES = 1000;

export interface WrongKey {
  /** To wait before the refusal is answered. */
  readonly pauseMs: number;
  /** Whether it is the first of this address within a minute: once in a minute it is worth a line in the log. */
  readonly isFirst: boolean;
}

export class WrongKeys {
  readonly #clock: Pick<Clock, 'monotonic'>;
  #counts = new Map<string, number>();
  #windowEndsAt = -Infinity;
  #waiting = 0;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** @param address of the connection. */
  note(address: string): WrongKey {
    const now = this.#clock.monotonic();
    if (now >= this.#windowEndsAt) {
      this.#counts = new Map();
      this.#windowEndsAt = now + WINDOW_MS;
    }
    const name = this.#counts.has(address) || this.#counts.size < MOST_ADDRESSES ? address : 'others';
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    return { pauseMs: count > FREE ? PAUSE_MS : 0, isFirst: count === 1 };
  }

  /** @param pause waits so many ms. */
  async hold(pauseMs: number, pause: (ms: number) => Promise<unknown>): Promise<void> {
    if (pauseMs === 0 || this.#waiting >= MOST_WAITING) return;
    this.#waiting++;
    try {
      await pause(pauseMs);
    } finally {
      this.#waiting--;
    }
  }
}
