/**
 * What workers cost and what of that was needed, counted up. Over-allocation is judged a minute late: with hindsight, the workers that the
 * busiest moment of a minute needed are what a perfect scaler would have had in it.
 */
import {
  byGpuTime,
  GPU_TIME_STATES,
  type GpuTimeState,
  type PoolRules,
  workersByUse,
} from '@penstock/policy';
import type { Clock } from '@penstock/runtime';

const MINUTE_MS = 60_000;
/** A gap this long was not watched, ms. */
const LONGEST_GAP_MS = 60_000;

export interface PoolUse {
  readonly ready: number;
  readonly starting: number;
  readonly draining: number;
  /** Requests that run and that wait. */
  readonly running: number;
  readonly waiting: number;
  /** By process of a worker: output tokens so far. */
  readonly tokens: ReadonlyMap<string, number>;
}

interface Counted {
  readonly workerS: Record<GpuTimeState, number>;
  overS: number;
  tokens: number;
  cost: number;
  at: number;
  minute: { readonly from: number; paidS: number; need: number };
  last: ReadonlyMap<string, number>;
}

export class CostMeter {
  readonly #clock: Clock;
  readonly #headroom: number;
  readonly #pools = new Map<string, Counted>();

  constructor(clock: Clock, headroom: number) {
    this.#clock = clock;
    this.#headroom = headroom;
  }

  /** By pool. Since this process decides. */
  get counted(): ReadonlyMap<string, Readonly<Pick<Counted, 'cost' | 'overS' | 'tokens' | 'workerS'>>> {
    return this.#pools;
  }

  /** To be called in each round. */
  see({ name, slots, pricePerHour }: PoolRules, use: PoolUse): void {
    const now = this.#clock.monotonic();
    const known = this.#pools.get(name) ?? begin(now, use.tokens);
    this.#pools.set(name, known);
    const ms = now - known.at;
    known.at = now;
    for (const [process, tokens] of use.tokens)
      known.tokens += Math.max(0, tokens - (known.last.get(process) ?? 0));
    known.last = use.tokens;
    if (ms > LONGEST_GAP_MS) {
      known.minute = { from: now, paidS: 0, need: 0 };
      return;
    }
    const { ready, starting, draining, running, waiting } = use;
    const uses = workersByUse({ ready, starting, draining, running, slots }, this.#headroom);
    const paidS = ((ready + starting + draining) * ms) / 1000;
    for (const state of GPU_TIME_STATES) known.workerS[state] += (uses[state] * ms) / 1000;
    known.cost += (pricePerHour * paidS) / 3600;
    known.minute.paidS += paidS;
    known.minute.need = Math.max(known.minute.need, Math.ceil((running + waiting) / slots));
    if (now - known.minute.from < MINUTE_MS) return;
    known.overS += Math.max(0, known.minute.paidS - (known.minute.need * (now - known.minute.from)) / 1000);
    known.minute = { from: now, paidS: 0, need: 0 };
  }
}

function begin(now: number, tokens: ReadonlyMap<string, number>): Counted {
  return {
    workerS: byGpuTime(() => 0),
    ...{ overS: 0, tokens: 0, cost: 0, at: now },
    minute: { from: now, paidS: 0, need: 0 },
    last: tokens,
  };
}
