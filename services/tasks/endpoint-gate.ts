/**
 * Bounds the attempts under way for one endpoint in this process, so that a receiver that hangs holds its own events up and
 * nobody else's. Who finds it full waits a moment here, in order, for a fast receiver makes room within milliseconds;
 * further ones are sent away with a place in line, as far apart as attempts end.
 */
import { placeInLine } from '@penstock/policy';
import type { Clock } from '@penstock/runtime';

/** How long one waits here, ms. */
const WAIT_MS = 500;
/** How many wait here for one endpoint at most: the process runs 200 jobs at once, for all endpoints together. */
const MOST_WAITING = 100;
/** Weight of the newest attempt in the mean. */
const NEWEST = 0.2;
const FIRST_GUESS_MS = 5;

interface Line {
  running: number;
  /** When each attempt under way began, oldest first: one that hangs tells before it ends. */
  readonly begun: Set<{ readonly at: number }>;
  readonly waiting: (() => void)[];
  meanMs: number;
  lastPlaceAt: number;
}

export type Entry =
  | { readonly kind: 'in'; readonly leave: () => void }
  | { readonly kind: 'later'; readonly delayMs: number };

export class EndpointGate {
  readonly #clock: Clock;
  readonly #concurrency: number;
  readonly #lines = new Map<string, Line>();

  constructor(clock: Clock, concurrency: number) {
    this.#clock = clock;
    this.#concurrency = concurrency;
  }

  async enter(endpoint: string): Promise<Entry> {
    const line = this.#lines.get(endpoint) ?? {
      running: 0,
      begun: new Set(),
      waiting: [],
      meanMs: FIRST_GUESS_MS,
      lastPlaceAt: 0,
    };
    this.#lines.set(endpoint, line);
    if (line.running < this.#concurrency) line.running++;
    else if (!(await this.#wait(line))) return this.#sendAway(line);
    const own = { at: this.#clock.monotonic() };
    line.begun.add(own);
    return { kind: 'in', leave: () => this.#leave(endpoint, line, own) };
  }

  /** @returns whether a place was handed over. */
  async #wait(line: Line): Promise<boolean> {
    if (line.waiting.length >= this.#room(line)) return false;
    return new Promise(resolve => {
      const called = () => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(() => {
        line.waiting.splice(line.waiting.indexOf(called), 1);
        resolve(false);
      }, WAIT_MS);
      line.waiting.push(called);
    });
  }

  /** As many as are likely to be called in time: a burst for a fast receiver stays here, one that hangs keeps nobody. */
  #room(line: Line): number {
    return Math.min(MOST_WAITING, (this.#concurrency * WAIT_MS) / this.#attemptMs(line));
  }

  #attemptMs(line: Line): number {
    const now = this.#clock.monotonic();
    const [oldest] = line.begun;
    return Math.max(1, line.meanMs, now - (oldest?.at ?? now));
  }

  #sendAway(line: Line): Entry {
    const now = this.#clock.monotonic();
    line.lastPlaceAt = placeInLine(line.lastPlaceAt, now, this.#attemptMs(line), this.#concurrency);
    return { kind: 'later', delayMs: line.lastPlaceAt - now };
  }

  #leave(endpoint: string, line: Line, own: { readonly at: number }): void {
    line.begun.delete(own);
    line.meanMs += NEWEST * (this.#clock.monotonic() - own.at - line.meanMs);
    const next = line.waiting.shift();
    if (next !== undefined) next();
    else if (--line.running === 0) this.#lines.delete(endpoint);
  }
}
