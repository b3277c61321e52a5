/** Which lines are drawn. How they look is the page's affair. */
import type { Moment, Percentiles, Timeline } from './timeline.ts';

export interface Series {
  readonly label: string;
  readonly values: readonly (number | null)[];
}

export interface Chart {
  readonly id: string;
  readonly title: string;
  readonly about: string;
  readonly unit: string;
  /** Seconds from the first arrival. */
  readonly x: readonly number[];
  readonly series: readonly Series[];
  /** Said in place of a chart without lines. */
  readonly empty: string;
}

/** More kinds than colours that can be told apart: the rest is one line. */
const MOST_KINDS = 5;

export function chartsOf({ stepS, moments }: Timeline): Chart[] {
  const x = moments.map((_, i) => i * stepS);
  const line = (label: string, of: (moment: Moment) => number | null): Series => ({
    label,
    values: moments.map(of),
  });
  const late = (of: (moment: Moment) => Percentiles): Series[] =>
    (['p50', 'p90', 'p99'] as const)
      .map(name => line(name, moment => of(moment)[name]))
      .filter(({ values }) => values.some(value => value !== null));
  const chart = (
    id: string,
    title: string,
    about: string,
    unit: string,
    series: Series[],
    empty = '',
  ): Chart => ({
    ...{ id, title, about, unit, x, series, empty },
  });
  return [
    chart('rates', 'Offered and served', 'Requests arriving, and answers that ended well.', '/s', [
      ...some(line('offered', moment => moment.offered)),
      ...some(line('served', moment => moment.served)),
      ...some(line('lines of a batch', moment => moment.lines)),
    ]),
    chart(
      'ttft',
      'Time to first token',
      'Of the answers that ended in that time.',
      'ms',
      late(moment => moment.ttft),
      'This scenario does not stream.',
    ),
    chart(
      'queue',
      'Queue wait',
      'From acceptance to a worker, as the server reports it.',
      'ms',
      late(moment => moment.queueWait),
      'The server reports no queue wait for these requests.',
    ),
    chart(
      'open',
      'In flight',
      'Requests and jobs that were open, on average.',
      '',
      some(line('open', moment => moment.open)),
      'Nothing but a batch was open.',
    ),
    chart('tokens', 'Output tokens', 'Counted when their answer has ended.', '/s', [
      line('tokens', moment => moment.tokens),
    ]),
    chart(
      'errors',
      'Errors by kind',
      'Requests that did not end well.',
      '/s',
      errorLines(moments),
      'No errors.',
    ),
  ];
}

/** Nothing, where it was 0 all the time. */
function some(line: Series): Series[] {
  return line.values.some(Boolean) ? [line] : [];
}

function errorLines(moments: readonly Moment[]): Series[] {
  const totals = new Map<string, number>();
  for (const { errors } of moments)
    for (const [kind, rate] of Object.entries(errors)) totals.set(kind, (totals.get(kind) ?? 0) + rate);
  const kinds = [...totals].sort((a, b) => b[1] - a[1]).map(([kind]) => kind);
  const shown = kinds.slice(0, MOST_KINDS);
  const lines = shown.map(kind => ({ label: kind, values: moments.map(({ errors }) => errors[kind] ?? 0) }));
  const others = kinds.slice(MOST_KINDS);
  if (others.length === 0) return lines;
  const sum = (moment: Moment) => others.reduce((total, kind) => total + (moment.errors[kind] ?? 0), 0);
  return [...lines, { label: 'other', values: moments.map(sum) }];
}
