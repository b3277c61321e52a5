/**
 * People and a batch at once. The same interactive traffic first alone, then over a batch that would fill every GPU: the batch
 * must get on, and people must not notice it.
 */
import { check } from 'k6';
import exec from 'k6/execution';
import { ask, drawOf } from './lib/ask.ts';
import { batchTags, cancelBatch, followBatch, submitBatch } from './lib/batches.ts';
import { number, SLO_TTFT_MS } from './lib/env.ts';
import * as metrics from './lib/metrics.ts';
import type { Prepared } from './lib/preflight.ts';
import { constant, duration, HONEST, optionsOf, rate } from './lib/profiles.ts';
import {
  type ListedSummary,
  renderSummary,
  type SummaryData,
  summaryOf,
  writeSummary,
} from './lib/summary.ts';
import { requests } from './lib/workload.ts';

export { cancelLeft as teardown } from './lib/batches.ts';
export { setup } from './lib/preflight.ts';

const drawn = requests();
const interactive = rate(5);
const totalS = duration('2m');
const aloneS = totalS / 3;
const togetherS = totalS - aloneS;
/** More than will be done in the time: the batch is cancelled at the end. */
const lines = Math.round(number('LINES', Math.max(50, interactive * 10 * togetherS)));
const at = (s: number) => `${Math.round(s * 1000)}ms`;

export const options = optionsOf(
  {
    alone: constant(interactive, aloneS),
    batch: {
      executor: 'per-vu-iterations',
      exec: 'batch',
      vus: 1,
      iterations: 1,
      startTime: at(aloneS),
      maxDuration: at(togetherS + 30),
    },
    together: constant(interactive, togetherS, 20, { startTime: at(aloneS) }),
  },
  {
    ...HONEST,
    llm_errors: ['count==0'],
    checks: ['rate==1'],
    llm_batch_lines: ['count>0'],
    'llm_ttft{scenario:alone}': [`p(99)<${SLO_TTFT_MS}`],
    'llm_ttft{scenario:together}': [`p(99)<${SLO_TTFT_MS}`],
    'llm_slo_good{scenario:together}': ['rate>=0.99'],
  },
);

export default async function (prepared: Prepared): Promise<void> {
  await ask(prepared, drawOf(drawn));
}

export async function batch(prepared: Prepared): Promise<void> {
  const { model } = prepared;
  const endsAt = exec.scenario.startTime + togetherS * 1000;
  const draws = Array.from(
    { length: lines },
    (_, i) => drawn[i % drawn.length] ?? { promptTokens: 9, outputTokens: 9 },
  );
  const submitted = await submitBatch(prepared, draws);
  if (typeof submitted === 'string') return metrics.fail(submitted, batchTags(model));
  const ended = await followBatch(model, submitted, endsAt);
  if (typeof ended === 'string') return metrics.fail(ended, batchTags(model));
  check(
    ended,
    { 'no line failed': ({ request_counts: counts }) => counts.failed === 0 },
    { ...batchTags(model) },
  );
  if (ended.status !== 'completed') await cancelBatch(model, ended);
}

export function handleSummary(data: SummaryData | ListedSummary): Record<string, string> {
  const summary = summaryOf(data);
  const of = (scenario: string, stat: string) =>
    summary.metrics[`llm_ttft{scenario:${scenario}}`]?.values[stat]?.toFixed(1) ?? '-';
  const line = (stat: string) =>
    `${stat} ${of('alone', stat)} ms alone, ${of('together', stat)} ms over the batch`;
  return writeSummary(summary, `${renderSummary(summary)}first token: ${line('med')}; ${line('p(99)')}\n`);
}
