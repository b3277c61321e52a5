/**
 * A driver that is not trusted: what it does not answer in time has failed, and what failed is tried again after a pause that doubles. While it
 * fails, and while it does not do what it accepted, nothing is decided by what it says: what is there stays.
 */
import { type Clock, type Logger, within } from '@penstock/runtime';
import type { Driver, Order } from './driver.ts';

export type DriverTrouble = 'look' | 'order' | 'not_followed';

export interface GuardedDriverOptions {
  readonly driver: Driver;
  /** Of one answer, ms. */
  readonly limitMs: number;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'warn' | 'info'>;
  readonly onTrouble: (trouble: DriverTrouble) => void;
}

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
/** An accepted order shows in what the driver says after so long, ms. */
const FOLLOWS_MS = 30_000;
/** An order that failed once is no trouble any more where none was needed for so long, ms. */
const FORGIVEN_MS = 300_000;

interface Pending {
  readonly workers: number;
  readonly at: number;
}

export class GuardedDriver {
  readonly #o: GuardedDriverOptions;
  #pauseMs = 0;
  #pauseUntil = 0;
  /** Accepted and not seen yet, by pool. */
  readonly #pending = new Map<string, Pending>();
  #trouble: { readonly what: DriverTrouble; readonly why: string; readonly at: number } | null = null;

  constructor(options: GuardedDriverOptions) {
    this.#o = options;
  }

  /** In words, or null. */
  get trouble(): string | null {
    return this.#trouble?.why ?? null;
  }

  /** What the driver says, or null where it cannot be relied on now. Never rejects. */
  async look(heard: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, number> | null> {
    if (this.#isPaused) return null;
    const counts = await this.#try('look', () => this.#o.driver.look(heard));
    if (counts === null) return null;
    for (const [pool, count] of counts)
      if (!Number.isInteger(count) || count < 0) {
        this.#failed('look', `it says that pool ${pool} has ${count} workers`);
        return null;
      }
    if (!this.#isFollowed(counts)) return null;
    return counts;
  }

  #isFollowed(counts: ReadonlyMap<string, number>): boolean {
    const now = this.#o.clock.monotonic();
    for (const [pool, { workers, at }] of this.#pending) {
      if (counts.get(pool) === workers) {
        this.#pending.delete(pool);
        continue;
      }
      if (now - at < FOLLOWS_MS) continue;
      // Told again after the pause; until then, whatever else it says is not acted on either.
      this.#pending.delete(pool);
      const said = counts.get(pool) ?? 0;
      this.#failed(
        'not_followed',
        `pool ${pool} was to have ${workers} workers ${Math.round((now - at) / 1000)} s ago, and has ${said}`,
      );
      return false;
    }
    // That it can be asked does not mean that it takes orders.
    if (this.#trouble?.what !== 'order' || now - this.#trouble.at > FORGIVEN_MS) this.#recovered();
    return true;
  }

  /** Never rejects. @returns whether it was accepted. */
  async order(order: Order): Promise<boolean> {
    if (this.#isPaused) return false;
    const pending = this.#pending.get(order.pool);
    if (pending?.workers === order.workers && order.gone.length === 0) return true;
    const done = await this.#try('order', async () => {
      await this.#o.driver.order(order);
      return true;
    });
    if (done === null) return false;
    this.#recovered();
    this.#pending.set(order.pool, { workers: order.workers, at: this.#o.clock.monotonic() });
    return true;
  }

  close(): Promise<void> {
    return this.#o.driver.close();
  }

  get #isPaused(): boolean {
    return this.#o.clock.monotonic() < this.#pauseUntil;
  }

  async #try<T>(what: DriverTrouble, run: () => Promise<T>): Promise<T | null> {
    try {
      return await within(this.#o.limitMs, run());
    } catch (err) {
      this.#failed(what, (err as Error).message);
      return null;
    }
  }

  #failed(what: DriverTrouble, why: string): void {
    const { clock, log, onTrouble } = this.#o;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, 2 * this.#pauseMs));
    this.#pauseUntil = clock.monotonic() + this.#pauseMs;
    this.#trouble = { what, why, at: clock.monotonic() };
    onTrouble(what);
    log.warn(
      { what, why, pauseMs: this.#pauseMs },
      'the driver cannot be relied on: workers stay as they are',
    );
  }

  #recovered(): void {
    if (this.#trouble !== null) this.#o.log.info('the driver does what it is told again');
    this.#trouble = null;
    this.#pauseMs = 0;
  }
}
