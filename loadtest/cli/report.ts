/** One HTML file that needs nothing else: the figures, the thresholds, and the plots of a run. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Chart, chartsOf } from './charts.ts';
import { type LoadResult, percent } from './result.ts';

const require = createRequire(import.meta.url);
const page = (name: string) => readFileSync(new URL(`page/${name}`, import.meta.url), 'utf8');
/** MIT, © Leon Sorokin; its first line says so in the page too. */
const library = (name: string) =>
  readFileSync(require.resolve('uplot').replace(/uPlot\.[^/]*$/, name), 'utf8');

export function renderReport(result: LoadResult): string {
  const charts = chartsOf(result.timeline);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Load test: ${html(result.scenario)}</title>
<style>${library('uPlot.min.css')}${page('page.css')}</style>
</head>
<body>
<header>
<p class="product">Penstock load test</p>
<h1>${html(result.scenario)} <span class="${result.passed ? 'good' : 'bad'}">${result.passed ? '✓ passed' : '✗ failed'}</span></h1>
<p class="question">${html(capital(result.question))}</p>
</header>
<main>
${tiles(result)}
<section aria-label="Plots" class="charts">
${charts.map(figure).join('\n')}
</section>
<section>
<h2>Thresholds</h2>
${thresholds(result)}
</section>
<section>
<h2>Latencies, ms; ratios as they are</h2>
${latencies(result)}
</section>
<section>
<h2>Counts and shares</h2>
${counts(result)}
</section>
<section>
<h2>Conditions</h2>
${conditions(result)}
</section>
</main>
<script type="application/json" id="charts">${json(charts)}</script>
<script>${library('uPlot.iife.min.js')}</script>
<script type="module">${page('page.mjs')}</script>
</body>
</html>
`;
}

function figure(chart: Chart): string {
  const body =
    chart.series.length === 0 ? `<p class="none">${html(chart.empty)}</p>` : '<div class="plot"></div>';
  return `<figure id="${chart.id}">
<figcaption><h2>${html(chart.title)}</h2><p>${html(chart.about)}</p></figcaption>
${body}
${chart.series.length === 0 ? '' : `<details><summary>as a table</summary>${chartTable(chart)}</details>`}
</figure>`;
}

function chartTable({ title, unit, x, series }: Chart): string {
  const rows = x.map((time, i) => [String(time), ...series.map(({ values }) => number(values[i] ?? null))]);
  return table(`${title}, ${unit}`, ['second', ...series.map(({ label }) => label)], rows);
}

function tiles({ metrics }: LoadResult): string {
  const of = (metric: string, stat: string) => metrics[metric]?.[stat];
  const time = (value: number | undefined) => (value === undefined ? '–' : milliseconds(value));
  const answered = of('llm_e2e', 'count') ?? 0;
  const good = of('llm_slo_good', 'rate');
  const cells: [string, string][] = [
    ['answered', number(answered)],
    ['not answered well', number(of('llm_errors', 'count') ?? 0)],
    ['arrivals dropped', number(of('dropped_iterations', 'count') ?? 0)],
    ['first token, median', time(of('llm_ttft', 'med'))],
    ['first token, p99', time(of('llm_ttft', 'p(99)'))],
    ['queue wait, p99', time(of('llm_queue_wait', 'p(99)'))],
    ['output tokens per second', number(of('llm_output_tokens', 'rate') ?? null)],
    ['within objectives', good === undefined ? '–' : percent(good)],
  ];
  const items = cells.map(([label, value]) => `<div><dt>${label}</dt><dd>${value}</dd></div>`);
  return `<dl class="tiles">${items.join('')}</dl>`;
}

function thresholds(result: LoadResult): string {
  const rows = result.thresholds.map(({ metric, rule, ok }) => [
    `<span class="${ok ? 'good' : 'bad'}">${ok ? '✓ ok' : '✗ failed'}</span>`,
    `<code>${html(metric)}</code>`,
    `<code>${html(rule)}</code>`,
  ]);
  return table('Thresholds', ['', 'metric', 'must be'], rows, 'text');
}

const STATS = ['count', 'avg', 'min', 'med', 'p(90)', 'p(95)', 'p(99)', 'p(99.9)', 'max'];

function latencies({ metrics }: LoadResult): string {
  const trends = Object.entries(metrics).filter(([, stats]) => stats['p(99)'] !== undefined);
  const rows = trends
    .filter(([, stats]) => stats['count'] !== 0)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, stats]) => [
      `<code>${html(name)}</code>`,
      ...STATS.map(stat => number(stats[stat] ?? null)),
    ]);
  return table('Latencies', ['metric', ...STATS], rows, 'html');
}

function counts({ metrics }: LoadResult): string {
  const others = Object.entries(metrics).filter(([, stats]) => stats['p(99)'] === undefined);
  const rows = others
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, stats]) => {
      const { rate, count, passes, fails, value } = stats;
      const share = passes !== undefined || fails !== undefined;
      const shown = share ? percent(rate ?? 0) : number(count ?? value ?? null);
      const beside = share
        ? `of ${number((passes ?? 0) + (fails ?? 0))}`
        : rate === undefined
          ? ''
          : `${number(rate)} /s`;
      return [`<code>${html(name)}</code>`, shown, beside];
    });
  return table('Counts and shares', ['metric', 'value', ''], rows, 'html');
}

function conditions(result: LoadResult): string {
  const settings = Object.entries(result.settings).map(([name, value]) => `${name}=${value}`);
  const rows = [
    ['target', result.target],
    ['load by', result.generator],
    ['its CPU', result.generatorCores === null ? 'not known' : `${result.generatorCores} cores`],
    ['settings', settings.join(' ') || 'the defaults'],
    ['machine of the generator', result.machine],
    ['begun', result.at],
    ['took', `${result.seconds} s`],
  ].map(([label = '', value = '']) => [label, html(value)]);
  return table('Conditions', ['', ''], rows, 'text');
}

/** @param kind `html`: the cells are HTML; `text`: they are too, and not figures. */
function table(
  caption: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
  kind: 'plain' | 'html' | 'text' = 'plain',
): string {
  const cell = (text: string) => (kind === 'plain' ? html(text) : text);
  const titles = head.some(Boolean)
    ? `<thead><tr>${head.map(text => `<th scope="col">${html(text)}</th>`).join('')}</tr></thead>`
    : '';
  const lines = rows.map(row => `<tr>${row.map(text => `<td>${cell(text)}</td>`).join('')}</tr>`);
  return `<div class="scroll ${kind}" tabindex="0" role="region" aria-label="${html(caption)}"><table><caption>${html(caption)}</caption>${titles}<tbody>${lines.join('')}</tbody></table></div>`;
}

function number(value: number | null): string {
  if (value === null) return '–';
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en', { maximumFractionDigits: digits });
}

function milliseconds(value: number): string {
  return value >= 10_000 ? `${(value / 1000).toFixed(1)} s` : `${number(value)} ms`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function html(text: string): string {
  return text.replace(
    /[&<>"]/g,
    char => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char] ?? char,
  );
}

/** No text in it can end the script element. */
function json(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}
