/** Requests of each second, and what they would run as if there was no end of workers. The same for every autoscaler. */
import { seededRandom } from '../../workloads/trace.ts';
import { normal, type RateTable } from './rates.ts';

export interface Demand {
  /** Requests that arrive in each second. */
  readonly arrivals: Int32Array;
  /** Requests that would run then if none ever waited. */
  readonly unbounded: Float64Array;
  readonly serviceS: number;
}

export interface DemandOptions {
  readonly table: RateTable;
  /** How long a request keeps a slot, s. */
  readonly serviceS: number;
  /** Variance of the requests of ten seconds over their mean: 1 is a Poisson process. */
  readonly dispersion: number;
  readonly seed: number;
}

/** Bursts last so long, s. */
const BURST_S = 10;

export function demandOf({ table, serviceS, dispersion, seed }: DemandOptions): Demand {
  const random = seededRandom(seed);
  const seconds = Math.round(table.rates.length * table.windowS);
  const arrivals = new Int32Array(seconds);
  const unbounded = new Float64Array(seconds);
  const stays = Math.exp(-1 / serviceS);
  let burst = 0;
  let running = (table.rates[0] ?? 0) * serviceS;
  for (let s = 0; s < seconds; s++) {
    const rate = rateAt(table, s);
    if (s % BURST_S === 0)
      burst = normal(random) * Math.sqrt(Math.max(0, dispersion - 1) / (BURST_S * Math.max(rate, 0.01)));
    arrivals[s] = poisson(rate * Math.max(0, 1 + burst), random);
    running = running * stays + (arrivals[s] ?? 0);
    unbounded[s] = running;
  }
  return { arrivals, unbounded, serviceS };
}

/** Rates are means of windows: between the middles of two they change steadily. */
export function rateAt({ windowS, rates }: RateTable, s: number): number {
  const place = Math.min(rates.length - 1, Math.max(0, s / windowS - 0.5));
  const [from, share] = [Math.floor(place), place % 1];
  const a = rates[from] ?? 0;
  return a + share * ((rates[from + 1] ?? a) - a);
}

function poisson(mean: number, random: () => number): number {
  if (mean > 30) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)));
  let [n, p] = [0, Math.exp(-mean)];
  for (let left = random() - p; left > 0 && n < 1000; left -= p) p *= mean / ++n;
  return n;
}
