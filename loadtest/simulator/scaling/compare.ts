/** One workload under all autoscalers, and the tables that tell of it. */
import { byGpuTime, type GpuTimeState } from '@penstock/policy';
import { type Autoscaler, hpa, kedaLag, kpa, oracle, staticWorkers } from './autoscaler.ts';
import { demandOf } from './demand.ts';
import { needOf, simulateWeek, type WeekResult } from './fleet-week.ts';
import { penstockScaler } from './penstock-scaler.ts';
import type { RateTable } from './rates.ts';

export interface FleetPlan {
  readonly slots: number;
  readonly serviceS: number;
  readonly startS: number;
  /** A request is in SLO when a worker takes it within this time, s. */
  readonly patienceS: number;
  /** Of a worker, an hour. */
  readonly price: number;
  /** Output tokens of a request. */
  readonly outputTokens: number;
  readonly seed: number;
}

/** A request that waits longer leaves, s: clients do. */
const GIVES_UP_S = 60;
/** Bursts, as the Azure conversation trace has them in ten seconds. */
const DISPERSION = 3;

export interface ScalerFigures {
  readonly paidHours: number;
  /** Shares of what is paid: beyond what the oracle has, and by use. */
  readonly over: number;
  readonly uses: Readonly<Record<GpuTimeState, number>>;
  /** Missing from what the oracle has, as a share of that. */
  readonly under: number;
  readonly inSlo: number;
  readonly waitP99S: number;
  readonly gaveUp: number;
  readonly changes: number;
  /** Of a million output tokens in SLO. */
  readonly costPerMillion: number;
}

export interface Comparison {
  readonly source: string;
  readonly days: number;
  readonly requests: number;
  readonly startS: number;
  readonly rows: Readonly<Record<string, ScalerFigures>>;
}

const SCALERS = ['static-peak', 'hpa-like', 'hpa-90', 'keda-lag', 'kpa-like', 'penstock', 'oracle'] as const;
type ScalerName = (typeof SCALERS)[number];

export function compare(
  table: RateTable,
  plan: FleetPlan,
  names: readonly ScalerName[] = SCALERS,
): Comparison {
  const demand = demandOf({ table, serviceS: plan.serviceS, dispersion: DISPERSION, seed: plan.seed });
  const need = needOf(demand, plan.slots);
  const peak = need.reduce((most, workers) => Math.max(most, workers), 0);
  const rules = { slots: plan.slots, startS: plan.startS };
  const made: Record<ScalerName, () => Autoscaler> = {
    'static-peak': () => staticWorkers(peak),
    'hpa-like': () => hpa(rules, 0.75),
    'hpa-90': () => hpa(rules, 0.9),
    'keda-lag': () => kedaLag(rules),
    'kpa-like': () => kpa(rules),
    penstock: () => penstockScaler(rules, plan.patienceS),
    oracle: () => oracle(need),
  };
  const { slots, startS, patienceS } = plan;
  let requests = 0;
  const rows = names.map(name => {
    const result = simulateWeek({
      ...{ demand, need, slots, patienceS, givesUpS: GIVES_UP_S, scaler: made[name]() },
      // All begin with what is right then; the oracle's start at once.
      ...{ begin: need[0] ?? 1, startS: name === 'oracle' ? 0 : startS },
    });
    requests = result.requests;
    return [name, figuresOf(result, need, plan)] as const;
  });
  const days = (table.rates.length * table.windowS) / 86_400;
  return { source: table.source, days, requests, startS, rows: Object.fromEntries(rows) };
}

function figuresOf(result: WeekResult, need: readonly number[], plan: FleetPlan): ScalerFigures {
  const { paidS, workerS, requests, inSlo } = result;
  const needS = 60 * need.reduce((sum, workers) => sum + workers, 0);
  const tokens = inSlo * plan.outputTokens;
  return {
    paidHours: paidS / 3600,
    over: result.overS / paidS,
    uses: byGpuTime(state => workerS[state] / paidS),
    under: result.underS / needS,
    inSlo: inSlo / Math.max(1, requests),
    waitP99S: quantileOf(result.waits, 0.99),
    gaveUp: result.gaveUp,
    changes: result.changes,
    costPerMillion: (1e6 * plan.price * (paidS / 3600)) / Math.max(1, tokens),
  };
}

/** @param counts by value. */
function quantileOf(counts: readonly number[], share: number): number {
  const all = counts.reduce((sum, count) => sum + count, 0);
  let before = 0;
  for (const [value, count] of counts.entries()) {
    before += count;
    if (before >= share * all) return value;
  }
  return 0;
}

const percent = (share: number, digits = 1) => `${(100 * share).toFixed(digits)} %`;

export function renderComparison({ rows }: Comparison): string {
  const cells = ([name, row]: readonly [string, ScalerFigures]) =>
    [
      ...[
        name,
        row.paidHours.toFixed(0),
        percent(row.over),
        percent(row.inSlo, 2),
        String(row.waitP99S),
        String(row.gaveUp),
      ],
      ...[
        percent(row.uses.used),
        percent(row.uses.headroom),
        percent(row.uses.idle),
        percent(row.uses.starting),
      ],
      ...[String(row.changes), row.costPerMillion.toFixed(3)],
    ].join(' | ');
  return [
    '| autoscaler | worker hours | over-allocated | in SLO | wait p99, s | gave up | used | headroom | idle | starting | changes | cost per 1M tokens in SLO |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|',
    ...Object.entries(rows).map(row => `| ${cells(row)} |`),
  ].join('\n');
}
