/** What is kept of a run: settings, figures, thresholds, and the course of it. */
import type { Timeline } from './timeline.ts';

/** The data k6 hands to `handleSummary`, as far as it is kept. */
export interface Summary {
  readonly metrics: Readonly<
    Record<
      string,
      {
        readonly type: string;
        readonly contains: string;
        readonly values: Readonly<Record<string, number>>;
        readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>;
      }
    >
  >;
}

export interface Threshold {
  readonly metric: string;
  readonly rule: string;
  readonly ok: boolean;
}

export interface LoadResult {
  readonly scenario: string;
  readonly question: string;
  /** ISO time of the start. */
  readonly at: string;
  readonly generator: string;
  readonly target: string;
  readonly machine: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly seconds: number;
  /** CPU time of the generator ÷ seconds: how much of one core it used. Near 1 the runner is at its limit. */
  readonly generatorCores: number | null;
  readonly passed: boolean;
  readonly thresholds: readonly Threshold[];
  /** By metric: its statistics; times in ms. */
  readonly metrics: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly timeline: Timeline;
}

/** Metrics of plain HTTP phases that say nothing the others do not. */
const LEFT_OUT =
  /^(http_req_(blocked|connecting|tls_handshaking|sending|receiving)|data_|vus|group_duration)/;

export function thresholdsOf(summary: Summary): Threshold[] {
  return Object.entries(summary.metrics).flatMap(([metric, { thresholds = {} }]) =>
    Object.entries(thresholds).map(([rule, { ok }]) => ({ metric, rule, ok })),
  );
}

export function figuresOf(summary: Summary): LoadResult['metrics'] {
  const kept = Object.entries(summary.metrics).filter(([name]) => !LEFT_OUT.test(name));
  return Object.fromEntries(
    kept.map(([name, { type, values }]) => {
      // A share of many: three digits would make 99.96 % all of them.
      const digits = type === 'rate' ? 6 : 3;
      const rounded = ([stat, value]: [string, number]) => [stat, Number(value.toFixed(digits))] as const;
      return [name, Object.fromEntries(Object.entries(values).map(rounded))];
    }),
  );
}

/** A share as a percentage, rounded down: 99.996 % is not 100 %. */
export function percent(share: number): string {
  return `${(Math.floor(share * 10_000 + 1e-6) / 100).toFixed(2)} %`;
}
