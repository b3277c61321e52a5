/** The page of committed results: one line a scenario, written anew after each run on the local stack. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SCENARIOS } from './arguments.ts';
import { type LoadResult, percent } from './result.ts';

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

Written by \`npm run load -- <scenario> --out loadtest/results\` (raw figures and their course: \`loadtest/results/<scenario>.json\`). What each
scenario proves and how to read it: [loadtest/README.md](../loadtest/README.md). The load generator and everything else shared one
machine (${first?.machine ?? 'unknown'}). Target: ${first?.target ?? 'unknown'}. These figures show that the scenarios work and what
they look like, not what your GPUs can take.

| scenario | settings | answered | not answered well | dropped | TTFT p50 / p99, ms | queue wait p99, ms | e2e p50 / p99, ms | tokens/s | good | generator, cores | |
|---|---|---|---|---|---|---|---|---|---|---|---|
${results.map(row).join('\n')}

${failed.length === 0 ? '' : `- Failed thresholds: ${failed.join('; ')}.\n`}${findings(results).join('')}
Load by ${[...new Set(results.map(({ generator }) => generator))].join('; ')}. "Good" is the share of the requests that ended well
within the objectives of the run (unless set otherwise: TTFT 2 s, 100 ms a token).
`;
}

function row({ scenario, settings, metrics, passed, generatorCores }: LoadResult): string {
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
    figure(of('llm_output_tokens', 'rate')),
    good === undefined || scenario === 'batch' ? '–' : percent(good),
    generatorCores === null ? '–' : generatorCores.toFixed(2),
    scenario === 'breakpoint' && !passed ? 'limit found' : passed ? 'passed' : 'failed',
  ];
  return `| ${cells.join(' | ')} |`;
}

/** What a scenario is there to find out and the table has no column for. */
function findings(results: readonly LoadResult[]): string[] {
  return results.flatMap(result => {
    const of = (metric: string, stat: string) => figure(result.metrics[metric]?.[stat]);
    const ttft = (part: string) =>
      `${of(`llm_ttft{${part}}`, 'med')} / ${of(`llm_ttft{${part}}`, 'p(99)')} ms`;
    switch (result.scenario) {
      case 'breakpoint':
        return [capacity(result)];
      case 'affinity': {
        const found = (result.metrics['llm_cache_hit{turn:later}']?.['avg'] ?? 0) * 100;
        const turns = `first turns ${ttft('turn:first')}, later ones ${ttft('turn:later')}`;
        return [
          `- \`affinity\`: ${found.toFixed(1)} % of the history was found in a cache; TTFT p50 / p99 of ${turns}.\n`,
        ];
      }
      case 'mixed': {
        const lines = of('llm_batch_lines', 'count');
        const both = `${ttft('scenario:alone')} alone, ${ttft('scenario:together')} over a batch that got ${lines} lines done`;
        return [`- \`mixed\`: TTFT p50 / p99 of people ${both}.\n`];
      }
      case 'soak':
        return [
          `- \`soak\`: TTFT p50 / p99 of the first third ${ttft('part:first')}, of the last ${ttft('part:last')}.\n`,
        ];
      default:
        return [];
    }
  });
}

/** A failed threshold is what the breakpoint is there for. */
function capacity({ settings, metrics, thresholds }: LoadResult): string {
  const steps = thresholds.filter(({ metric }) => metric.startsWith('llm_slo_good{phase:step_'));
  const seen = (metric: string) => {
    const { passes = 0, fails = 0 } = metrics[metric] ?? {};
    return passes + fails > 0;
  };
  const held = steps.filter(({ metric, ok }) => ok && seen(metric)).length;
  const rate = (Number(settings['RATE'] ?? 50) * held) / steps.length;
  return `- \`breakpoint\`: ${held} of its ${steps.length} steps held, the last at ${figure(rate)} requests/s.\n`;
}

function figure(value: number | undefined): string {
  if (value === undefined) return '–';
  return value.toLocaleString('en', {
    maximumFractionDigits: value < 10 && !Number.isInteger(value) ? 1 : 0,
  });
}
