/** What a scaler sees, decides, and what its pools cost. Labels come from closed sets, and from names of pools and models. */
import { GPU_TIME_STATES, type ScaleDecision } from '@penstock/policy';
import { addDroppedMetric, BoundedLabel, type DroppedMessages, MetricSet, VERSION } from '@penstock/runtime';
import type { CostMeter } from './cost/cost-meter.ts';
import type { DriverTrouble } from './drivers/guarded-driver.ts';
import type { Scaler } from './scaler.ts';

export interface ScalerGauges {
  readonly scaler: () => Pick<Scaler, 'groups' | 'pools'> | null;
  readonly cost: Pick<CostMeter, 'counted'>;
  readonly perMillionTokens: () => number | null;
  readonly isLeader: () => boolean;
  readonly ageS: () => number;
  readonly dropped: DroppedMessages;
}

export interface ScalerMetrics {
  readonly set: MetricSet;
  readonly onDecision: (models: readonly string[], decision: ScaleDecision) => void;
  readonly onTrouble: (trouble: DriverTrouble) => void;
}

export function createScalerMetrics(gauges: ScalerGauges): ScalerMetrics {
  const set = new MetricSet({ service: 'scaler', version: VERSION });
  const models = new BoundedLabel();
  const modelOf = (names: readonly string[]) => models.of(names[0] ?? '');
  addPoolGauges(set, gauges);
  addLoadGauges(set, gauges, modelOf);
  addCosts(set, gauges);
  addDroppedMetric(set, gauges.dropped);
  const decisions = set.counter(
    'penstock_scaler_decisions_total',
    'Decisions by what they change and why; one for each round, and the first model of the group of pools.',
    ...(['model', 'kind', 'reason'] as const),
  );
  const limited = set.counter(
    'penstock_scaler_limited_total',
    'Decisions for fewer workers than are needed: pools at their `most`, `budget`, or as many at once as is safe (`step`).',
    ...(['model', 'limit'] as const),
  );
  const troubles = set.counter(
    'penstock_scaler_driver_failures_total',
    'Times that the driver could not be relied on: asked (`look`), told (`order`), or it did not do what it accepted.',
    'what',
  );
  return {
    set,
    onDecision(names, { kind, reason, limit }) {
      const model = modelOf(names);
      decisions.inc({ model, kind, reason });
      if (limit !== null) limited.inc({ model, limit });
    },
    onTrouble: what => troubles.inc({ what }),
  };
}

function addPoolGauges(set: MetricSet, { scaler, isLeader, ageS }: ScalerGauges): void {
  const pools = () => (isLeader() ? (scaler()?.pools ?? []) : []);
  set.gauge('penstock_scaler_leader', '1 at the scaler that decides, 0 at those that wait.', () =>
    isLeader() ? 1 : 0,
  );
  set.gauge(
    'penstock_scaler_data_age_seconds',
    'Age of what decisions are made by; absent while nothing is known.',
    () => (Number.isFinite(ageS()) ? ageS() : null),
  );
  set.gauges(
    'penstock_scaler_workers',
    'Workers of a pool: `ready`, `starting`, `draining`; `overdue` are those of the starting that should long be there.',
    ['pool', 'state'],
    () =>
      pools().flatMap(({ name: pool, ...counts }) =>
        (['ready', 'starting', 'draining', 'overdue'] as const).map(
          state => [{ pool, state }, counts[state]] as const,
        ),
      ),
  );
  set.gauges(
    'penstock_scaler_desired_workers',
    'Workers that a pool should have, those that start included.',
    ['pool'],
    () => pools().map(({ name: pool, wanted }) => [{ pool }, wanted]),
  );
  set.gauges(
    'penstock_scaler_start_seconds',
    'What nine of ten starts of a pool take, as learned; before, as configured.',
    ['pool'],
    () => pools().map(({ name: pool, startS }) => [{ pool }, startS]),
  );
}

function addLoadGauges(
  set: MetricSet,
  { scaler, isLeader }: ScalerGauges,
  modelOf: (names: readonly string[]) => string,
): void {
  set.gauges(
    'penstock_scaler_load_slots',
    'Slots of speed 1: the `load`, what is `expected` once workers have started, what that needs (`for_load`, `for_backlog`), what the last while needed (`held`), and the `capacity`.',
    ['model', 'what'],
    () =>
      (isLeader() ? (scaler()?.groups ?? []) : []).flatMap(({ models, decision }) => {
        if (decision === null) return [];
        const { load, expected, forLoad, forBacklog, held, capacity } = decision.inputs;
        const shown = { load, expected, for_load: forLoad, for_backlog: forBacklog, held, capacity };
        const model = modelOf(models);
        return Object.entries(shown).map(([what, value]) => [{ model, what }, value] as const);
      }),
  );
}

function addCosts(set: MetricSet, { cost, scaler, isLeader, perMillionTokens }: ScalerGauges): void {
  const counted = () => [...cost.counted];
  set.counterOf(
    'penstock_pool_worker_seconds_total',
    'Paid time of workers by what it went to: `used` slots, free ones that chance makes needed (`headroom`) and others (`idle`), `starting`, `draining`.',
    ['pool', 'state'],
    () =>
      counted().flatMap(([pool, { workerS }]) =>
        GPU_TIME_STATES.map(state => [{ pool, state }, workerS[state]] as const),
      ),
  );
  set.counterOf(
    'penstock_pool_overallocated_seconds_total',
    'Paid time of workers beyond those that the busiest moment of each minute needed.',
    ['pool'],
    () => counted().map(([pool, { overS }]) => [{ pool }, overS]),
  );
  set.counterOf(
    'penstock_pool_cost_total',
    'What the workers of a pool have cost, by its price.',
    ['pool'],
    () => counted().map(([pool, { cost: value }]) => [{ pool }, value]),
  );
  set.counterOf(
    'penstock_pool_output_tokens_total',
    'Output tokens of the workers of a pool.',
    ['pool'],
    () => counted().map(([pool, { tokens }]) => [{ pool }, tokens]),
  );
  set.gauges(
    'penstock_pool_cost_per_hour',
    'What the workers of a pool cost an hour, those that start and drain included.',
    ['pool'],
    () =>
      (isLeader() ? (scaler()?.pools ?? []) : []).map(
        ({ name: pool, pricePerHour, ready, starting, draining }) => [
          { pool },
          pricePerHour * (ready + starting + draining),
        ],
      ),
  );
  set.gauge(
    'penstock_cost_per_million_tokens_in_slo',
    'What a million output tokens of answers whose first token came in time cost, over the last ten minutes and all pools.',
    perMillionTokens,
  );
}
