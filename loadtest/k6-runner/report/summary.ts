/** The end of a run as data: the object that k6 documents for `handleSummary`, and what only this runner knows. */

import type { AnySink, MetricRegistry } from '../metrics/metrics.ts';
import { CounterSink, GaugeSink, RateSink } from '../metrics/metrics.ts';
import { type Aggregation, aggregate, judge, type Threshold } from '../options/thresholds.ts';
import type { Group } from '../outcome/checks.ts';

export interface MetricSummary {
  readonly type: string;
  readonly contains: string;
  readonly values: Readonly<Record<string, number>>;
  thresholds?: Record<string, { readonly ok: boolean }>;
}

/** About the load generator itself: whether to believe the rest. */
export interface GeneratorSummary {
  /** CPU time ÷ wall time of the load: 1 is one core. */
  readonly cpu: number;
  readonly cores: number;
  readonly lateStartP99Ms: number;
  readonly lateStartMaxMs: number;
  readonly iterationsInterrupted: number;
  readonly scriptExceptions: number;
  readonly residentMb: number;
}

export interface Summary {
  readonly root_group: Group;
  readonly options: {
    readonly summaryTrendStats: readonly string[];
    readonly summaryTimeUnit: string;
    readonly noColor: boolean;
  };
  readonly state: {
    readonly isStdOutTTY: boolean;
    readonly isStdErrTTY: boolean;
    readonly testRunDurationMs: number;
  };
  readonly metrics: Readonly<Record<string, MetricSummary>>;
  /** Beyond k6. */
  readonly generator: GeneratorSummary;
}

/** Metrics with a sample or a threshold, each followed by its submetrics. */
export function summarizeMetrics(
  registry: MetricRegistry,
  thresholds: readonly Threshold[],
  trendStats: readonly string[],
  elapsedS: number,
): Record<string, MetricSummary> {
  const metrics: Record<string, MetricSummary> = {};
  for (const metric of [...registry.all()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const parts = [{ name: metric.name, sink: metric.sink }, ...metric.submetrics];
    for (const { name, sink } of parts) {
      const own = thresholds.filter(threshold => threshold.sink === sink);
      if (sink.count === 0 && own.length === 0) continue;
      const { type, contains } = metric;
      const summary: MetricSummary = { type, contains, values: valuesOf(sink, trendStats, elapsedS) };
      if (own.length > 0) {
        summary.thresholds = Object.fromEntries(
          own.map(threshold => [threshold.source, { ok: judge(threshold, elapsedS).ok }]),
        );
      }
      metrics[name] = summary;
    }
  }
  return metrics;
}

function valuesOf(sink: AnySink, trendStats: readonly string[], elapsedS: number): Record<string, number> {
  if (sink instanceof CounterSink) {
    return { count: sink.total, rate: aggregate(sink, { kind: 'rate' }, elapsedS) };
  }
  if (sink instanceof GaugeSink) return { value: sink.value, min: sink.min, max: sink.max };
  if (sink instanceof RateSink) {
    const rate = sink.count === 0 ? 0 : sink.passes / sink.count;
    return { rate, passes: sink.passes, fails: sink.count - sink.passes };
  }
  return Object.fromEntries(trendStats.map(stat => [stat, aggregate(sink, statistic(stat), elapsedS)]));
}

function statistic(name: string): Aggregation {
  const percent = /^p\((.+)\)$/.exec(name)?.[1];
  if (percent !== undefined) return { kind: 'percentile', percent: Number(percent) };
  return { kind: name as 'avg' | 'min' | 'med' | 'max' | 'count' };
}
