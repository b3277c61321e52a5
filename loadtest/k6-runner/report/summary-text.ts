/** The end of a run as text: thresholds, checks, metrics, and the generator itself. */

import { formatElapsed, formatMs } from '../options/duration.ts';
import { judge, type Threshold } from '../options/thresholds.ts';
import type { Group } from '../outcome/checks.ts';
import type { GeneratorSummary, MetricSummary, Summary } from './summary.ts';

const NAME_WIDTH = 36;

export function renderSummary(summary: Summary, thresholds: readonly Threshold[]): string {
  const unit = summary.options.summaryTimeUnit as '' | 's' | 'ms' | 'us';
  const seconds = summary.state.testRunDurationMs / 1000;
  const sections = [
    section('THRESHOLDS', thresholdLines(thresholds, seconds)),
    section('CHECKS', checkLines(summary.root_group)),
    section(
      'RESULTS',
      Object.entries(summary.metrics).map(([name, metric]) => metricLine(name, metric, unit)),
    ),
    section('GENERATOR', [generatorLine(summary.generator)]),
  ];
  return `\n${sections.filter(text => text !== '').join('\n')}\n`;
}

/** What to know about the generator before believing the figures; printed with every result. */
export function generatorLine(generator: GeneratorSummary): string {
  const { cpu, cores, lateStartP99Ms, lateStartMaxMs, iterationsInterrupted, scriptExceptions } = generator;
  return [
    `CPU ${cpu.toFixed(2)} of ${cores} cores`,
    `${Math.round(generator.residentMb)} MB`,
    `starts late by p(99) ${formatMs(lateStartP99Ms)}, max ${formatMs(lateStartMaxMs)}`,
    `${iterationsInterrupted} iterations interrupted`,
    `${scriptExceptions} exceptions in the script`,
  ].join(', ');
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `  ${title}\n${lines.map(line => `    ${line}\n`).join('')}`;
}

function thresholdLines(thresholds: readonly Threshold[], seconds: number): string[] {
  const lines: string[] = [];
  let selector = '';
  for (const threshold of thresholds) {
    if (threshold.selector !== selector) lines.push(threshold.selector);
    ({ selector } = threshold);
    const { ok, value, empty } = judge(threshold, seconds);
    const shown = empty ? 'no samples' : `${threshold.source.split(/[<>=!]/)[0]?.trim()}=${round(value)}`;
    lines.push(`${ok ? '✓' : '✗'} '${threshold.source}' ${shown}`);
  }
  return lines;
}

function checkLines(group: Group): string[] {
  const own = group.checks.map(({ name, passes, fails }) =>
    fails === 0 ? `✓ ${name}` : `✗ ${name}: ${percent(passes / (passes + fails))} (${passes} ✓, ${fails} ✗)`,
  );
  return [
    ...own,
    ...group.groups.flatMap(inner => {
      const lines = checkLines(inner);
      return lines.length === 0 ? [] : [`█ ${inner.name}`, ...lines.map(line => `  ${line}`)];
    }),
  ];
}

function metricLine(name: string, metric: MetricSummary, unit: '' | 's' | 'ms' | 'us'): string {
  return `${`${name} `.padEnd(NAME_WIDTH, '.')} ${valueText(metric, unit)}`;
}

function valueText({ type, contains, values }: MetricSummary, unit: '' | 's' | 'ms' | 'us'): string {
  const one = (value: number) => {
    if (contains === 'time') return formatMs(value, unit);
    return contains === 'data' ? bytes(value) : round(value);
  };
  if (type === 'counter') return `${one(values['count'] ?? 0)}  ${one(values['rate'] ?? 0)}/s`;
  if (type === 'gauge') {
    return `${one(values['value'] ?? 0)}  min=${one(values['min'] ?? 0)} max=${one(values['max'] ?? 0)}`;
  }
  if (type === 'rate') {
    const { passes = 0, fails = 0, rate = 0 } = values;
    return `${percent(rate)}  ${passes} of ${passes + fails}`;
  }
  return Object.entries(values)
    .map(([stat, value]) => `${stat}=${stat === 'count' ? value : one(value)}`)
    .join(' ');
}

function percent(rate: number): string {
  // 99.996 % must not look like 100 %.
  return `${(Math.floor(rate * 10_000 + 1e-6) / 100).toFixed(2)}%`;
}

function round(value: number): string {
  return String(Number(value.toFixed(Math.abs(value) < 1 ? 6 : 2)));
}

function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let size = value;
  let unit = 0;
  for (; size >= 1000 && unit < units.length - 1; unit++) size /= 1000;
  return `${Number(size.toFixed(1))} ${units[unit]}`;
}

export interface Progress {
  readonly elapsedMs: number;
  readonly vusActive: number;
  readonly vusInitialized: number;
  readonly completed: number;
  readonly interrupted: number;
  readonly dropped: number;
  /** Iterations begun in the last second. */
  readonly rate: number;
  readonly failedRequests: number;
  readonly requests: number;
}

export function progressLine(now: Progress): string {
  const failed = now.requests === 0 ? 0 : now.failedRequests / now.requests;
  return [
    `running (${formatElapsed(now.elapsedMs)})`,
    `${now.vusActive}/${now.vusInitialized} VUs`,
    `${now.completed} complete and ${now.interrupted} interrupted iterations`,
    `${now.rate.toFixed(0)} starts/s`,
    `${now.dropped} dropped`,
    `${now.failedRequests} failed requests (${(failed * 100).toFixed(2)}%)`,
  ].join(', ');
}
