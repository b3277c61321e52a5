/** The page of committed results: one line a scenario, written anew after each run on the local stack. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SCENARIOS } from './arguments.ts';
import type { LoadResult } from './result.ts';

const PAGE = new URL('../../docs/load-tests.md', import.meta.url).pathname;

/** Those scenarios that have a result, in their usual order. */
export function readResults(directory: string): LoadResult[] {
  return Object.keys(SCENARIOS).flatMap(name => {
    try {
      return [JSON.parse(readFileSync(join(directory, `${name}.json`), 'utf8')) as LoadResult];
    } catch {
      return [];
    }
  });
}

export function writeResultsPage(directory: string): void {
  writeFileSync(PAGE, renderResults(readResults(directory)));
}

export function renderResults(results: readonly LoadResult[]): string {
  const first = results[0];
  const failed = results.flatMap(({ scenario, thresholds }) =>
    thresholds.filter(({ ok }) => !ok).map(({ metric, rule }) => `\`${scenario}\`: \`${metric}\` ${rule}`),
  );
  return `# Load tests

Written by \`npm run load -- <scenario>\` (raw figures and their course: \`loadtest/results/<scenario>.json\`). What each
scenario proves and how to read it: [loadtest/README.md](../loadtest/README.md). Everything, the load generator and the
simulated engines too, ran on one machine (${first?.machine ?? 'unknown'}): ${first?.target ?? 'unknown'}. These figures show
that the scenarios work and what they look like, not what your GPUs can take.

| scenario | settings | answered | not answered well | dropped | TTFT p50 / p99, ms | queue wait p99, ms | e2e p50 / p99, ms | tokens/s | good | generator, cores | |
|---|---|---|---|---|---|---|---|---|---|---|---|
${results.map(row).join('\n')}
${failed.length === 0 ? '' : `\nFailed thresholds: ${failed.join('; ')}.\n`}${breakpoint(results)}
Load by ${[...new Set(results.map(({ generator }) => generator))].join('; ')}. "Good" is the share of the requests that ended well
within the objectives of the run (unless set otherwise: TTFT 2 s, 100 ms a token).
`;
}

function row({ scenario, settings, metrics, seconds, passed, generatorCores }: LoadResult): string {
  const of = (metric: string, stat: string) => metrics[metric]?.[stat];
  const pair = (metric: string) => `${figure(of(metric, 'med'))} / ${figure(of(metric, 'p(99)'))}`;
  const good = of('llm_slo_good', 'rate');
  const answered = of('llm_batch_lines', 'count') ?? of('llm_e2e', 'count');
  const cells = [
    `\`${scenario}\``,
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}`)
      .join(' '),
    figure(scenario === 'mixed' ? of('llm_e2e', 'count') : answered),
    figure(of('llm_errors', 'count') ?? 0),
    figure(of('dropped_iterations', 'count') ?? 0),
    of('llm_ttft', 'count') ? pair('llm_ttft') : '–',
    of('llm_queue_wait', 'count') ? figure(of('llm_queue_wait', 'p(99)')) : '–',
    pair('llm_e2e'),
    figure((of('llm_output_tokens', 'count') ?? 0) / Math.max(1, seconds)),
    good === undefined || scenario === 'batch' ? '–' : `${(good * 100).toFixed(2)} %`,
    generatorCores === null ? '–' : generatorCores.toFixed(2),
    passed ? 'passed' : 'failed',
  ];
  return `| ${cells.join(' | ')} |`;
}

/** The capacity that the breakpoint found: a failed threshold is its purpose. */
function breakpoint(results: readonly LoadResult[]): string {
  const found = results.find(({ scenario }) => scenario === 'breakpoint');
  if (found === undefined) return '';
  const steps = found.thresholds.filter(({ metric }) => metric.startsWith('llm_slo_good{phase:step_'));
  const seen = (metric: string) => {
    const { passes = 0, fails = 0 } = found.metrics[metric] ?? {};
    return passes + fails > 0;
  };
  const held = steps.filter(({ metric, ok }) => ok && seen(metric)).length;
  const rate = (Number(found.settings['RATE'] ?? 50) * held) / steps.length;
  return `\n\`breakpoint\` is meant to fail: ${held} of its ${steps.length} steps held, the last at ${figure(rate)} requests/s.\n`;
}

function figure(value: number | undefined): string {
  if (value === undefined) return '–';
  return value.toLocaleString('en', {
    maximumFractionDigits: value < 10 && !Number.isInteger(value) ? 1 : 0,
  });
}
