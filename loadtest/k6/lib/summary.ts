/** The end of a run: a table for people, and the same as JSON where `SUMMARY` names a file. */

interface SummaryMetric {
  readonly type: string;
  readonly contains: string;
  readonly values: Readonly<Record<string, number>>;
  readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>;
}

export interface SummaryData {
  readonly metrics: Readonly<Record<string, SummaryMetric>>;
  readonly state?: { readonly testRunDurationMs?: number };
}

/** The same, as k6 gives it with `--new-machine-readable-summary`: a list, and neither thresholds nor submetrics. */
export interface ListedSummary {
  readonly config?: { readonly duration?: number };
  readonly results: { readonly metrics: readonly (SummaryMetric & { readonly name: string })[] };
}

/** Either form of what k6 hands to `handleSummary`, as the first. */
export function summaryOf(data: SummaryData | ListedSummary): SummaryData {
  if ('metrics' in data) return data;
  return {
    metrics: Object.fromEntries(data.results.metrics.map(metric => [metric.name, metric])),
    state: { testRunDurationMs: (data.config?.duration ?? 0) * 1000 },
  };
}

const TREND_COLUMNS = ['min', 'avg', 'med', 'p(90)', 'p(99)', 'p(99.9)', 'max'];

export const NOT_TOLD = 'not told by this form of the summary: run k6 without --new-machine-readable-summary';

/** Use as `handleSummary`. */
export function handleSummary(data: SummaryData | ListedSummary): Record<string, string> {
  const summary = summaryOf(data);
  return writeSummary(summary, `${renderSummary(summary)}\n`);
}

export function writeSummary(data: SummaryData, stdout: string): Record<string, string> {
  const file = __ENV['SUMMARY'];
  return file ? { stdout, [file]: JSON.stringify(data) } : { stdout };
}

export function renderSummary({ metrics, state }: SummaryData): string {
  if (metrics['iterations'] === undefined) return '\nno load was made\n';
  const own = (names: readonly string[]) => names.filter(name => metrics[name] !== undefined);
  const trends = own(
    Object.keys(metrics).filter(name => isOf(metrics[name], 'trend') && !/^http_req_(?!waiting)/.test(name)),
  );
  const others = own(Object.keys(metrics).filter(name => !isOf(metrics[name], 'trend') && wanted(name)));
  const width = Math.max(24, ...[...trends, ...others].map(name => name.length)) + 2;
  const lines = [
    '',
    `${'latency'.padEnd(width)}${TREND_COLUMNS.map(column => column.padStart(11)).join('')}`,
  ];
  for (const name of trends.sort()) lines.push(name.padEnd(width) + trendCells(metrics[name]).join(''));
  lines.push('', 'counts and shares');
  for (const name of others.sort())
    lines.push(name.padEnd(width) + plainCell(metrics[name], state?.testRunDurationMs));
  const rules = thresholdLines(metrics, width);
  lines.push('', 'thresholds', ...(rules.length > 0 ? rules : [NOT_TOLD]), '');
  return lines.join('\n');
}

function isOf(metric: SummaryMetric | undefined, type: string): boolean {
  return metric?.type === type;
}

function wanted(name: string): boolean {
  return /^(llm_|checks|iterations|dropped_iterations|http_reqs|http_req_failed)/.test(name);
}

function trendCells(metric: SummaryMetric | undefined): string[] {
  const time = metric?.contains === 'time';
  return TREND_COLUMNS.map(column => {
    const value = metric?.values[column];
    if (value === undefined) return '-'.padStart(11);
    return (time ? `${value.toFixed(value < 100 ? 1 : 0)} ms` : value.toFixed(3)).padStart(11);
  });
}

function plainCell(metric: SummaryMetric | undefined, durationMs = 0): string {
  const { rate, count, value, passes, fails } = metric?.values ?? {};
  // Rounded down: 99.996 % is not 100 %.
  if (metric?.type === 'rate')
    return `${(Math.floor((rate ?? 0) * 10_000 + 1e-6) / 100).toFixed(2)} % of ${(passes ?? 0) + (fails ?? 0)}`;
  if (metric?.type !== 'counter') return String(value ?? '-');
  const perSecond = rate ?? (durationMs > 0 ? ((count ?? 0) * 1000) / durationMs : 0);
  return `${count ?? 0}  (${perSecond.toFixed(1)}/s)`;
}

function thresholdLines(metrics: SummaryData['metrics'], width: number): string[] {
  return Object.keys(metrics).flatMap(name =>
    Object.entries(metrics[name]?.thresholds ?? {}).map(
      ([rule, { ok }]) => `${ok ? 'ok    ' : 'FAILED'}  ${name.padEnd(width)}${rule}`,
    ),
  );
}
