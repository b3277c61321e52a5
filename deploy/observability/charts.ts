/** Queries and charts that several dashboards have. */
import type { Panel, Query, Unit } from './panels.ts';

export const RATE = '$__rate_interval';
export const OF_MODEL = 'model=~"$model"';

export const quantile = (q: number, metric: string, by: string, labels = OF_MODEL) =>
  `histogram_quantile(${q}, sum by (le${by === '' ? '' : `, ${by}`}) (rate(${metric}_bucket{${labels}}[${RATE}])))`;
export const rate = (metric: string, by: string, labels = '') =>
  `sum${by === '' ? '' : ` by (${by})`} (rate(${metric}{${labels}}[${RATE}]))`;

interface Look {
  readonly unit: Unit;
  readonly width?: number;
  readonly height?: number;
  readonly warnFrom?: number;
  readonly stacked?: boolean;
}

export function chart(title: string, about: string, look: Look, ...queries: Query[]): Panel {
  return { kind: 'timeseries', title, about, queries, width: 12, height: 8, ...look };
}

export function tile(title: string, about: string, look: Look, expr: string): Panel {
  return { kind: 'stat', title, about, queries: [{ expr, legend: '' }], width: 4, height: 4, ...look };
}

/** Median and 99th percentile of a histogram, in one chart. */
export function waits(
  title: string,
  about: string,
  metric: string,
  labels = OF_MODEL,
  warnFrom?: number,
): Panel {
  return chart(
    title,
    about,
    { unit: 's', ...(warnFrom === undefined ? {} : { warnFrom }) },
    { expr: quantile(0.5, metric, '', labels), legend: 'p50', colour: 'sky' },
    { expr: quantile(0.99, metric, '', labels), legend: 'p99', colour: 'blue', dashed: true },
  );
}
