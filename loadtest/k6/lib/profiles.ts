/** Shapes of load over time. All are open models: arrivals do not wait for answers. */
import exec from 'k6/execution';
import type { Options, Scenario } from 'k6/options';
import { number, SLO_TTFT_MS, seconds, TIMEOUT_S } from './env.ts';
import { TREND_STATS } from './metrics.ts';
import { readTable } from './workload.ts';

/** k6 takes whole numbers of arrivals: thousandths of a request a second are whole in a thousand seconds. */
const PER = 1000;
export const PER_UNIT = `${PER}s`;
/** Virtual users are cheap to wait with and dear to run out of: no pool is smaller. */
const LEAST_VUS = 10;
/** A step up or down takes this long, s. */
const JUMP_S = 0.01;

/** Arrivals each second at a point of time; between two points it changes evenly. */
export interface Point {
  readonly afterS: number;
  readonly rate: number;
}

export interface Shape {
  /** Requests a second at the start. */
  readonly from: number;
  readonly points: readonly Point[];
  /** Longest answer to expect, s: so many virtual users are needed as requests are open at once. */
  readonly longestS?: number;
  readonly more?: Partial<Pick<Scenario, 'exec' | 'startTime' | 'tags' | 'env'>>;
}

/** Arrivals along a line of points. */
export function ramping(shape: Shape): Scenario {
  const peak = Math.max(shape.from, ...shape.points.map(point => point.rate));
  return {
    executor: 'ramping-arrival-rate',
    startRate: Math.round(shape.from * PER),
    timeUnit: PER_UNIT,
    stages: shape.points.map(({ afterS, rate }) => ({
      duration: `${Math.round(afterS * 1000)}ms`,
      target: Math.round(rate * PER),
    })),
    ...pool(peak, arrivalsOf(shape), shape.longestS),
    ...shape.more,
  };
}

export function constant(
  rate: number,
  durationS: number,
  longestS?: number,
  more: Shape['more'] = {},
): Scenario {
  return {
    executor: 'constant-arrival-rate',
    rate: Math.max(1, Math.round(rate * PER)),
    timeUnit: PER_UNIT,
    duration: `${Math.round(durationS * 1000)}ms`,
    ...pool(rate, rate * durationS, longestS),
    ...more,
  };
}

function arrivalsOf({ from, points }: Shape): number {
  let [before, sum] = [from, 0];
  for (const { afterS, rate } of points) {
    sum += ((before + rate) / 2) * afterS;
    before = rate;
  }
  return sum;
}

/** Little's law, and never more than there are arrivals. All of them are there from the start: k6 drops the arrivals for which it first has to make one. */
function pool(peakRate: number, arrivals: number, longestS = 20) {
  const openAtOnce = Math.ceil(Math.min(arrivals + 1, peakRate * Math.min(longestS, TIMEOUT_S)));
  const vus = Math.round(number('VUS', Math.max(LEAST_VUS, openAtOnce)));
  // An answer that is cut off at the end of the run would be missing among the slow ones.
  return { preAllocatedVUs: vus, maxVUs: vus, gracefulStop: `${Math.ceil(TIMEOUT_S)}s` };
}

/** A rate that is held for a while. */
export interface Step {
  readonly name: string;
  readonly rate: number;
  readonly forS: number;
}

/** Rates held one after the other, from one pool of virtual users. */
export function stairs(plan: readonly Step[], longestS: number): Scenario {
  const points = plan.flatMap(({ rate, forS }) => [
    { afterS: JUMP_S, rate },
    { afterS: forS - JUMP_S, rate },
  ]);
  return ramping({ from: plan[0]?.rate ?? 0, points, longestS });
}

/** Name of the step that this iteration began in. */
export function phaseOf(plan: readonly Step[]): string {
  let leftS = (Date.now() - exec.scenario.startTime) / 1000;
  for (const { name, forS } of plan) {
    leftS -= forS;
    if (leftS < 0) return name;
  }
  return plan[plan.length - 1]?.name ?? '';
}

/** A recorded pattern, squeezed into `durationS` around a mean rate. */
export function pattern(relative: readonly number[], rate: number, durationS: number): Shape {
  const afterS = durationS / Math.max(1, relative.length - 1);
  const [first = 1, ...others] = relative;
  return { from: first * rate, points: others.map(share => ({ afterS, rate: share * rate })) };
}

interface Arrivals {
  readonly hour: { readonly relative: readonly number[] };
  readonly day: { readonly relative: readonly number[] };
  readonly spike: { readonly peakToMean: Readonly<Record<string, number>> };
}

export function arrivals(): Arrivals {
  return readTable(import.meta.resolve('../../workloads/data/arrivals.json'));
}

export const rate = (fallback: number) => number('RATE', fallback);
export const duration = (fallback: string) => seconds('DURATION', fallback);

/** What every run must fulfil: a generator that dropped arrivals has measured itself. */
export const HONEST = { dropped_iterations: ['count==0'] };
/** Nothing fails and almost all is in time. */
export const WELL = {
  ...HONEST,
  llm_errors: ['count==0'],
  checks: ['rate==1'],
  'llm_ttft{lane:interactive}': [`p(99)<${SLO_TTFT_MS}`],
  'llm_slo_good{lane:interactive}': ['rate>=0.99'],
};

export function optionsOf(
  scenarios: Record<string, Scenario>,
  thresholds: Options['thresholds'] = WELL,
): Options {
  return {
    scenarios,
    thresholds,
    summaryTrendStats: TREND_STATS,
    setupTimeout: '30s',
    discardResponseBodies: false,
  };
}
