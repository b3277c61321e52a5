/**
 * Bounds the attempts of this process that are under way for one endpoint, so that a receiver that hangs delays its own events
 * and nobody else's. An attempt that finds the endpoint full waits here for a moment, in order: a fast receiver makes room within
 * milliseconds. Further attempts are sent back to the job queue with a delay, as far apart as attempts end.
 */
import { nextTurnAt } from '@penstock/policy';
import type { Clock } from '@penstock/runtime';

/** How long an attempt waits here, ms. */
const WAIT_MS = 500;
/** Attempts that wait here for one endpoint, at most: the process runs 200 jobs at once, for all endpoints together. */
const MOST_WAITING = 100;
/** Weight of the newest attempt in the mean duration. */
const NEWEST = 0.2;
const FIRST_GUESS_MS = 5;

interface EndpointQueue {
  running: number;
  /** When each attempt under way began, oldest first: one that hangs shows in the estimate before it ends. */
  readonly begun: Set<{ readonly at: number }>;
  readonly waiting: (() => void)[];
  meanMs: number;
  lastTurnAt: number;
}

export type GateResult =
  | { readonly kind: 'in'; readonly leave: () => void }
  | { readonly kind: 'later'; readonly delayMs: number };

export class EndpointGate {
  readonly #clock: Clock;
  readonly #concurrency: number;
  readonly #queues = new Map<string, EndpointQueue>();

  constructor(clock: Clock, concurrency: number) {
    this.#clock = clock;
    this.#concurrency = concurrency;
  }

  async enter(endpoint: string): Promise<GateResult> {
    const queue = this.#queues.get(endpoint) ?? {
      running: 0,
      begun: new Set(),
      waiting: [],
      meanMs: FIRST_GUESS_MS,
      lastTurnAt: 0,
    };
    this.#queues.set(endpoint, queue);
    if (queue.running < this.#concurrency) queue.running++;
    else if (!(await this.#wait(queue))) return this.#sendAway(queue);
    const own = { at: this.#clock.monotonic() };
    queue.begun.add(own);
    return { kind: 'in', leave: () => this.#leave(endpoint, queue, own) };
  }

  /** @returns false when no attempt ended in time. */
  async #wait(queue: EndpointQueue): Promise<boolean> {
    if (queue.waiting.length >= this.#room(queue)) return false;
    return new Promise(resolve => {
      const called = () => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(() => {
        queue.waiting.splice(queue.waiting.indexOf(called), 1);
        resolve(false);
      }, WAIT_MS);
      queue.waiting.push(called);
    });
  }

  /** As many as will probably get their turn in time: a burst for a fast receiver waits here, one for a hanging receiver does not. */
  #room(queue: EndpointQueue): number {
    return Math.min(MOST_WAITING, (this.#concurrency * WAIT_MS) / this.#attemptMs(queue));
  }

  #attemptMs(queue: EndpointQueue): number {
    const now = this.#clock.monotonic();
    const [oldest] = queue.begun;
    return Math.max(1, queue.meanMs, now - (oldest?.at ?? now));
  }

  #sendAway(queue: EndpointQueue): GateResult {
    const now = this.#clock.monotonic();
    queue.lastTurnAt = nextTurnAt(queue.lastTurnAt, now, this.#attemptMs(queue), this.#concurrency);
    return { kind: 'later', delayMs: queue.lastTurnAt - now };
  }

  #leave(endpoint: string, queue: EndpointQueue, own: { readonly at: number }): void {
    queue.begun.delete(own);
    queue.meanMs += NEWEST * (this.#clock.monotonic() - own.at - queue.meanMs);
    const next = queue.waiting.shift();
    if (next !== undefined) next();
    else if (--queue.running === 0) this.#queues.delete(endpoint);
  }
}
