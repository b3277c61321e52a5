/**
 * Makes the workers of one pool as many as were decided, without losing what they run. Who is to go is **drained** first: its worker takes
 * nothing new, and the driver is told that it may go once it runs nothing. What the scaler drained and would need again takes work again, which
 * is faster than a start.
 */
import { type PoolSeen, StartTimes } from '@penstock/policy';
import type { Clock } from '@penstock/runtime';
import type { PoolWorker } from './region/region-reader.ts';

export interface PoolKeeperOptions {
  readonly pool: string;
  /** Until one was seen, s. */
  readonly startS: number;
  /** Tells a worker to take nothing new, or to take work again. */
  readonly drain: (worker: string, drain: boolean) => void;
  readonly clock: Clock;
}

/** A worker that was told to drain is told again after so long, ms: orders are messages that nobody confirms. */
const TELL_AGAIN_MS = 5000;
/** What starts and takes no work for so many starts has failed, but no sooner than in {@link LEAST_OVERDUE_S}. */
const OVERDUE_STARTS = 3;
const LEAST_OVERDUE_S = 60;

export interface PoolOrder {
  readonly workers: number;
  readonly gone: readonly string[];
}

export class PoolKeeper {
  readonly #o: PoolKeeperOptions;
  readonly times: StartTimes;
  /** Workers that this scaler drains, each with when it was told last, monotonic ms. */
  readonly #draining = new Map<string, number>();
  /** When each worker that starts was ordered, monotonic ms, the oldest first. */
  #ordered: number[] = [];
  /** Processes that have taken work. */
  #known: ReadonlySet<string> | null = null;
  #workers: readonly PoolWorker[] = [];
  #count = 0;

  constructor(options: PoolKeeperOptions) {
    this.#o = options;
    this.times = new StartTimes(options.startS);
  }

  /** Names of those that the scaler drains. */
  get draining(): string[] {
    return [...this.#draining.keys()];
  }

  /** What a scaler before this one drained. */
  adopt(workers: readonly string[]): void {
    for (const worker of workers) this.#draining.set(worker, 0);
  }

  /** @param count workers that the driver says there are. @param workers that are heard of. */
  see(count: number, workers: readonly PoolWorker[]): PoolSeen {
    this.#workers = workers;
    const heard = new Set(workers.map(({ name }) => name));
    for (const name of this.#draining.keys()) if (!heard.has(name)) this.#draining.delete(name);
    const ready = this.#ready();
    // Workers that their operator drained are there, and none of the scaler's business.
    const resting = workers.filter(({ name, isDrained }) => isDrained && !this.#draining.has(name)).length;
    this.#count = Math.max(count, ready.length + this.#draining.size + resting);
    const starting = this.#count - ready.length - this.#draining.size - resting;
    this.#timeStarts(starting, ready);
    return {
      ...{ ready: ready.length, starting, overdue: this.#overdue(starting) },
      running: ready.reduce((sum, { interactive }) => sum + interactive, 0),
    };
  }

  #ready(): PoolWorker[] {
    return this.#workers.filter(({ name, isReady }) => isReady && !this.#draining.has(name));
  }

  #timeStarts(starting: number, ready: readonly PoolWorker[]): void {
    const now = this.#o.clock.monotonic();
    const processes = new Set(ready.map(({ process }) => process));
    const begun = this.#known === null ? [] : [...processes].filter(process => !this.#known?.has(process));
    for (const _ of begun) {
      const at = this.#ordered.shift();
      if (at !== undefined) this.times.add((now - at) / 1000);
    }
    this.#known = new Set([...(this.#known ?? []), ...processes]);
    while (this.#ordered.length > starting) this.#ordered.pop();
    while (this.#ordered.length < starting) this.#ordered.push(now);
  }

  #overdue(starting: number): number {
    const now = this.#o.clock.monotonic();
    const limitS = Math.max(LEAST_OVERDUE_S, OVERDUE_STARTS * this.times.startS);
    return Math.min(starting, this.#ordered.filter(at => now - at > 1000 * limitS).length);
  }

  /**
   * @param wanted workers that take work or start. @returns what the driver is to be told; null where it has it so.
   */
  follow(wanted: number): PoolOrder | null {
    const ready = this.#ready();
    const starting = this.#ordered.length;
    let surplus = ready.length + starting - wanted;
    // Those that are back soonest are those that were drained last.
    for (const name of [...this.#draining.keys()].reverse()) if (surplus < 0) surplus += this.#resume(name);
    // What does not take work yet loses nothing.
    const cancelled = Math.max(0, Math.min(surplus, starting));
    for (const { name } of leastWarm(ready).slice(0, Math.max(0, surplus - cancelled))) this.#drain(name);
    const gone = this.#whoIsDone();
    this.#tellAgain();
    const there = this.#count - cancelled - gone.length;
    const workers = there + Math.max(0, -surplus);
    return workers === this.#count ? null : { workers, gone };
  }

  #resume(name: string): 1 {
    this.#draining.delete(name);
    this.#o.drain(name, false);
    return 1;
  }

  #drain(name: string): void {
    this.#draining.set(name, this.#o.clock.monotonic());
    this.#o.drain(name, true);
  }

  #tellAgain(): void {
    const now = this.#o.clock.monotonic();
    for (const { name, isDrained } of this.#workers) {
      const toldAt = this.#draining.get(name);
      if (toldAt !== undefined && !isDrained && now - toldAt >= TELL_AGAIN_MS) this.#drain(name);
    }
  }

  /** A worker says itself that it takes nothing, and that it runs nothing. */
  #whoIsDone(): string[] {
    const isDone = ({ name, isDrained, running }: PoolWorker) =>
      this.#draining.has(name) && isDrained && running === 0;
    return this.#workers.filter(isDone).map(({ name }) => name);
  }
}

/** Who loses least by going: what runs little, and has the smallest part of what may be asked again in its cache. */
export function leastWarm(workers: readonly PoolWorker[]): PoolWorker[] {
  return workers.toSorted(
    (a, b) => a.running - b.running || a.cacheTokens - b.cacheTokens || (a.name < b.name ? 1 : -1),
  );
}
