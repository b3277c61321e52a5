/**
 * Gives memory back to the system after a spike. V8 collects when it allocates: a process that falls quiet after being busy
 * keeps its garbage for ever (an ingress that had carried 5,000 streams stayed at 334 MB instead of 150).
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Node's flags for every service. The young generation may otherwise grow to 3 × 32 MB and more before it is collected:
 * with 5,000 open streams an ingress then held 330 MB instead of 226 MB, at the same CPU per request.
 */
export const SERVICE_NODE_FLAGS: readonly string[] = ['--max-semi-space-size=8'];

/** A spike is over when the work has fallen to this share of its peak. */
const OVER = 0.1;
/** Lower peaks leave too little garbage for a collection. */
const LEAST_PEAK = 500;

/** Checks after the end of a spike until the second collection: connections outlive their requests. */
const AGAIN_AFTER = 3;

/** When to collect: at the end of each spike, and once more a little later. */
export class SpikeWatch {
  #peak = 0;
  #again = 0;

  /** @param open number of open requests; call at regular intervals. @returns whether a spike has just ended. */
  ended(open: number): boolean {
    this.#peak = Math.max(this.#peak, open);
    if (this.#peak < LEAST_PEAK || open > this.#peak * OVER) return this.#again > 0 && --this.#again === 0;
    this.#peak = open;
    this.#again = AGAIN_AFTER;
    return true;
  }
}

/** Checks every `everyMs` and collects after each spike. @returns a function that stops it. */
export function trimMemoryAfterSpikes(open: () => number, everyMs = 5000): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: { type: 'major'; flavor: 'last-resort' }) => void;
  const watch = new SpikeWatch();
  const timer = setInterval(() => {
    if (watch.ended(open())) collect({ type: 'major', flavor: 'last-resort' });
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** How much the heap may grow after a collection before the next one, percent. */
const GROWTH_PERCENT = 25;

/**
 * For a process that streams: collects the garbage early. V8 otherwise lets a heap of 40 MB grow to 130 MB of garbage first, and
 * a batch of 50,000 lines took 247 MB of resident memory, more than docs/benchmarks.md states.
 */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}
