/** `npm run plan -- --overload`: how good estimates of the wait are, and what is served in time when far more comes than a fleet can do. */
import { costOf } from '@penstock/policy';
import { quantile } from '../workloads/summary.ts';
import type { TraceRequest } from '../workloads/trace.ts';
import { estimatedByLane } from './lane-estimates.ts';
import type { DoorsOptions } from './penstock/doors.ts';
import { penstock } from './penstock/penstock.ts';
import { type SimulationResult, simulate } from './simulate.ts';
import { type Tenant, tenantsTrace } from './tenants.ts';

const PROFILE = 'dense-70b-h100x4';
const ENGINES = 10;
const SECONDS = 300;

/** A kind of requests, and how much of it the fleet can do. */
interface Workload {
  readonly name: string;
  readonly about: string;
  readonly limits: { readonly maxInputTokens: number; readonly maxOutputTokens: number };
  /** Of the generator's own rate: what fills the fleet. */
  readonly full: number;
  /** How long clients wait for the first token, s. */
  readonly patienceS: number;
}

export const CHAT: Workload = {
  name: 'Chat',
  about:
    'Prompts of up to 32,768 tokens (7,000 in the middle), answers of up to 400: computing prompts is what takes time.',
  limits: { maxInputTokens: 32_768, maxOutputTokens: 400 },
  full: 2.2,
  patienceS: 10,
};
export const SHORT: Workload = {
  name: 'Short prompts',
  about:
    'Prompts of up to 600 tokens, answers of up to 400: engines are full of answers, and slots are what is short.',
  limits: { maxInputTokens: 600, maxOutputTokens: 400 },
  full: 36,
  patienceS: 5,
};
const WORKLOADS = [CHAT, SHORT];

export interface OverloadCase {
  readonly workload: Workload;
  /** Of what fills the fleet. */
  readonly load: number;
  /** `fifo`: nobody is refused, and nobody leaves. `leave`: clients leave. `estimate`: as in the product. */
  readonly door: 'fifo' | 'leave' | 'estimate';
  readonly seconds?: number;
  readonly tenants?: readonly Tenant[];
  /** Half of the engines end in the middle. */
  readonly isHalved?: boolean;
}

export interface OverloadRun {
  readonly requests: readonly TraceRequest[];
  readonly result: SimulationResult;
  /** Of what was served a second while requests came, by {@link costOf}: all of it, and what began in time. */
  readonly perSecond: number;
  readonly goodPerSecond: number;
  readonly inTime: number;
  readonly late: number;
  readonly refusedAtOnce: number;
  readonly refusedLater: number;
  /** Of the answered, s. */
  readonly ttftP50S: number;
  readonly ttftP99S: number;
}

export function runOverload(of: OverloadCase): OverloadRun {
  const { workload, load, door, seconds = SECONDS, isHalved = false } = of;
  const { limits, full, patienceS } = workload;
  const tenants = of.tenants ?? [{ owner: 'a', load: load * full }];
  const requests = tenantsTrace(tenants, limits, seconds);
  const patience = door === 'fifo' ? null : ({ kind: door, seconds: patienceS } as const);
  const events = isHalved ? halved(seconds) : [];
  const fleet = Array.from({ length: ENGINES }, () => 1);
  const policy = penstock({ doors: { nodes: 1, patience } });
  return judged(
    requests,
    simulate({ policy, requests, profile: PROFILE, fleet, events }),
    patienceS,
    seconds,
  );
}

function halved(seconds: number) {
  const kill = (_: unknown, engine: number) => ({ atS: seconds / 2, kind: 'kill', engine }) as const;
  return Array.from({ length: ENGINES / 2 }, kill);
}

function judged(
  requests: readonly TraceRequest[],
  result: SimulationResult,
  patienceS: number,
  seconds: number,
): OverloadRun {
  const ttftS = [...result.ttftMs].map(ms => ms / 1000);
  const costs = requests.map(({ atMs, inputTokens, outputTokens }, i) =>
    atMs / 1000 + (ttftS[i] ?? Number.NaN) < seconds ? costOf(inputTokens, outputTokens) : 0,
  );
  const sum = (of: readonly number[]) => of.reduce((total, each) => total + each, 0);
  const isGood = (i: number) => (ttftS[i] ?? Number.NaN) <= patienceS;
  const answered = ttftS.filter(s => !Number.isNaN(s)).sort((a, b) => a - b);
  const inTime = answered.filter(s => s <= patienceS).length;
  const refused = [...result.refusedMs].filter(ms => !Number.isNaN(ms));
  return {
    ...{ requests, result, inTime },
    perSecond: sum(costs) / seconds,
    goodPerSecond: sum(costs.filter((_, i) => isGood(i))) / seconds,
    late: answered.length - inTime,
    refusedAtOnce: refused.filter(ms => ms === 0).length,
    refusedLater: refused.filter(ms => ms > 0).length,
    ttftP50S: quantile(answered, 0.5),
    ttftP99S: quantile(answered, 0.99),
  };
}

const DOORS = [
  ['fifo', 'first come, first served'],
  ['leave', 'and clients leave'],
  ['estimate', 'admitted by the estimate'],
] as const;
const LOADS = [1.5, 2, 3, 5, 10];

/** What the fleet serves when it always has something to do: first come, first served, at twice what it can do. */
function capacityOf(workload: Workload, seconds: number): number {
  return runOverload({ workload, load: 2, door: 'fifo', seconds }).perSecond;
}

function goodput(workload: Workload, seconds: number): string {
  const capacity = capacityOf(workload, seconds);
  const rows = LOADS.flatMap(load =>
    DOORS.map(([door, name]) =>
      goodputRow(`× ${load}, ${name}`, runOverload({ workload, load, door, seconds }), capacity),
    ),
  );
  const about = `${workload.about} Clients wait ${workload.patienceS} s.`;
  return `### ${workload.name}\n${about}\n\n${goodputTable(rows)}`;
}

function goodputTable(rows: readonly string[]): string {
  return [
    '| | in time, of capacity | served, of capacity | in time | too late | refused at once | refused later | TTFT p50 / p99 of the answered, s |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

function goodputRow(name: string, run: OverloadRun, capacity: number): string {
  const part = (of: number) => `${((100 * of) / capacity).toFixed(0)} %`;
  const times = `${run.ttftP50S.toFixed(1)} / ${run.ttftP99S.toFixed(1)}`;
  const counts = [run.inTime, run.late, run.refusedAtOnce, run.refusedLater];
  return `| ${[name, part(run.goodPerSecond), part(run.perSecond), ...counts, times].join(' | ')} |`;
}

/** Half of the engines are gone in the middle: what had been admitted can no longer all be in time. */
function halves(seconds: number): string {
  const rows = WORKLOADS.flatMap(workload => {
    const capacity = 0.75 * capacityOf(workload, seconds);
    return DOORS.map(([door, name]) => {
      const run = runOverload({ workload, load: 2, door, seconds, isHalved: true });
      return goodputRow(`${workload.name}, ${name}`, run, capacity);
    });
  });
  return goodputTable(rows);
}

const ESTIMATE_LOADS = [0.5, 0.9, 1.1, 1.5, 2, 3];
/** What takes less is not what anybody decides by, s. */
const NOTICED_S = 1;

export interface EstimateErrors {
  readonly noticed: number;
  /** Of the estimate over what it really took. */
  readonly p10: number;
  readonly p50: number;
  readonly p90: number;
}

function errorsOf(result: SimulationResult, estimates: readonly number[]): EstimateErrors {
  const really = [...result.ttftMs].map(ms => ms / 1000);
  const ratios = really.flatMap((s, i) => (s >= NOTICED_S ? [(estimates[i] ?? 0) / s] : []));
  ratios.sort((a, b) => a - b);
  const [p10, p50, p90] = [0.1, 0.5, 0.9].map(share => quantile(ratios, share)) as [number, number, number];
  return { noticed: ratios.length, p10, p50, p90 };
}

/** Two projects, and nobody is refused. */
export function runEstimates(workload: Workload, load: number, seconds: number) {
  const owner = (name: string) => ({ owner: name, load: (load * workload.full) / 2 });
  const requests = tenantsTrace([owner('a'), owner('b')], workload.limits, seconds);
  const fleet = Array.from({ length: ENGINES }, () => 1);
  const estimates: number[] = [];
  const estimated = (index: number, s: number) => {
    estimates[index] = s;
  };
  const doors: DoorsOptions = { nodes: 1, patience: { kind: 'leave', seconds: 1e9, estimated } };
  const result = simulate({ policy: penstock({ doors }), requests, profile: PROFILE, fleet });
  const byLane: number[] = [];
  const shared = simulate({ policy: estimatedByLane(byLane), requests, profile: PROFILE, fleet });
  const ttft = [...result.ttftMs].sort((a, b) => a - b);
  return {
    ttftP50S: quantile(ttft, 0.5) / 1000,
    ttftP99S: quantile(ttft, 0.99) / 1000,
    door: errorsOf(result, estimates),
    lane: errorsOf(shared, byLane),
  };
}

function estimates(workload: Workload, seconds: number): string {
  const rows = ESTIMATE_LOADS.map(load => {
    const { ttftP50S, ttftP99S, door, lane } = runEstimates(workload, load, seconds);
    const errors = ({ noticed, p10, p50, p90 }: EstimateErrors) =>
      noticed < 20 ? '' : [p10, p50, p90].map(ratio => ratio.toFixed(2)).join(' / ');
    return `| ${load} | ${ttftP50S.toFixed(1)} / ${ttftP99S.toFixed(1)} | ${door.noticed} | ${errors(door)} | ${errors(lane)} |`;
  });
  return [
    `### ${workload.name}`,
    '',
    '| load | TTFT p50 / p99, s | of more than a second | at the door p10 / p50 / p90 | by the lane p10 / p50 / p90 |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** @param seconds of the workload. */
export function renderOverload(seconds = SECONDS): string {
  return [
    `## The estimate\n${WORKLOADS.map(workload => estimates(workload, seconds / 2)).join('\n\n')}`,
    `## Overload\n${WORKLOADS.map(workload => goodput(workload, seconds)).join('\n\n')}`,
    `## Half of the engines end\n${halves(seconds)}`,
  ].join('\n\n');
}
