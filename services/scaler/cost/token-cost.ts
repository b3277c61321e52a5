/** What a million output tokens cost whose answers began in time: the money of the last while over the tokens of the requests in SLO. */
import type { IngressStatus } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { CostMeter } from './cost-meter.ts';

const WINDOW_MS = 600_000;
const EVERY_MS = 10_000;

interface Sums {
  readonly at: number;
  readonly cost: number;
  readonly tokens: number;
  readonly inTime: number;
  readonly all: number;
}

interface Heard {
  readonly incarnation: string;
  readonly inTime: number;
  readonly all: number;
}

export class TokenCost {
  readonly #meter: Pick<CostMeter, 'counted'>;
  readonly #targetS: number;
  readonly #clock: Clock;
  /** By ingress. */
  readonly #heard = new Map<string, Heard>();
  #inTime = 0;
  #all = 0;
  #sums: readonly Sums[] = [];

  /** @param targetS within which a first token is in time. */
  constructor(meter: Pick<CostMeter, 'counted'>, targetS: number, clock: Clock) {
    this.#meter = meter;
    this.#targetS = targetS;
    this.#clock = clock;
  }

  hear({ ingress, incarnation, leaving, ttft }: IngressStatus): void {
    const within = ttft.bounds.findLastIndex(bound => bound <= this.#targetS);
    const now: Heard = { incarnation, inTime: ttft.counts[within] ?? 0, all: ttft.counts.at(-1) ?? 0 };
    const known = this.#heard.get(ingress);
    // One that is met for the first time has counted before.
    const before =
      known === undefined ? now : known.incarnation === incarnation ? known : { inTime: 0, all: 0 };
    this.#inTime += Math.max(0, now.inTime - before.inTime);
    this.#all += Math.max(0, now.all - before.all);
    if (leaving) this.#heard.delete(ingress);
    else this.#heard.set(ingress, now);
  }

  /** To be called in each round. */
  look(): void {
    const at = this.#clock.monotonic();
    const last = this.#sums.at(-1);
    if (last !== undefined && at - last.at < EVERY_MS) return;
    const kept = this.#sums.filter(sums => at - sums.at <= WINDOW_MS);
    this.#sums = [...kept, this.#now(at)];
  }

  #now(at: number): Sums {
    let [cost, tokens] = [0, 0];
    for (const counted of this.#meter.counted.values()) {
      cost += counted.cost;
      tokens += counted.tokens;
    }
    return { at, cost, tokens, inTime: this.#inTime, all: this.#all };
  }

  /** Null where nothing was answered in time, or nothing costs anything. */
  get perMillion(): number | null {
    const [first] = this.#sums;
    if (first === undefined) return null;
    const now = this.#now(this.#clock.monotonic());
    const all = now.all - first.all;
    const good = all === 0 ? 0 : ((now.inTime - first.inTime) / all) * (now.tokens - first.tokens);
    const cost = now.cost - first.cost;
    return good > 0 && cost > 0 ? (1e6 * cost) / good : null;
  }
}
