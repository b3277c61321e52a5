/** What a run is judged by, the same for simulated and real ones. Times in seconds of the workload. */
import type { TraceRequest } from './trace.ts';

/** A request is in SLO when its first token came within, and its further tokens at, these times. */
export const SLO = { ttftS: 5, tpotS: 0.1 } as const;

export interface Outcome {
  /** From the intended start; NaN when there never was one. */
  readonly ttftS: number;
  readonly tpotS: number;
  readonly cachedTokens: number;
  readonly worker: string;
}

export interface Summary {
  readonly requests: number;
  readonly failed: number;
  readonly ttftP50S: number;
  readonly ttftP90S: number;
  readonly ttftP99S: number;
  /** Share of all requests, 0–1. */
  readonly inSlo: number;
  /** Share of prompt tokens found in a cache, 0–1. */
  readonly hit: number;
  /** Prompt tokens computed by the busiest worker over the mean; 1 = even. Meaningful where engines are equal. */
  readonly maxOverMean: number;
}

export function summarize(requests: readonly TraceRequest[], outcomes: readonly Outcome[]): Summary {
  const answered = outcomes.filter(({ ttftS }) => Number.isFinite(ttftS));
  const ttft = answered.map(({ ttftS }) => ttftS).sort((a, b) => a - b);
  const good = answered.filter(({ ttftS, tpotS }) => ttftS <= SLO.ttftS && tpotS <= SLO.tpotS);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const work = new Map<string, number>();
  for (const [i, { worker, cachedTokens }] of outcomes.entries())
    work.set(worker, (work.get(worker) ?? 0) + (requests[i]?.inputTokens ?? 0) - cachedTokens);
  const loads = [...work.values()];
  return {
    requests: outcomes.length,
    failed: outcomes.length - answered.length,
    ttftP50S: quantile(ttft, 0.5),
    ttftP90S: quantile(ttft, 0.9),
    ttftP99S: quantile(ttft, 0.99),
    inSlo: good.length / Math.max(1, outcomes.length),
    hit: sum(outcomes.map(o => o.cachedTokens)) / Math.max(1, sum(requests.map(r => r.inputTokens))),
    maxOverMean: (Math.max(...loads) * loads.length) / Math.max(1, sum(loads)),
  };
}

/** Of sorted values; NaN for none. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** One row a run, as a table in Markdown. */
export function renderTable(rows: readonly (readonly [name: string, summary: Summary])[]): string {
  const cells = ([name, s]: readonly [string, Summary]) =>
    [
      name,
      String(s.requests),
      `${s.ttftP50S.toFixed(2)} / ${s.ttftP90S.toFixed(2)} / ${s.ttftP99S.toFixed(2)}`,
      s.inSlo.toFixed(3),
      s.hit.toFixed(3),
      s.maxOverMean.toFixed(2),
      String(s.failed),
    ].join(' | ');
  return [
    '| dispatcher | requests | TTFT p50 / p90 / p99, s | in SLO | prefix hit | busiest / mean | failed |',
    '|---|---|---|---|---|---|---|',
    ...rows.map(row => `| ${cells(row)} |`),
  ].join('\n');
}
