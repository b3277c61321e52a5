/** A batch of RATE × DURATION lines, from upload to results: is every line answered, at RATE lines a second or better? */
import { check } from 'k6';
import { type Batch, batchTags, followBatch, readResults, submitBatch } from './lib/batches.ts';
import { number } from './lib/env.ts';
import * as metrics from './lib/metrics.ts';
import type { Prepared } from './lib/preflight.ts';
import { duration, optionsOf, rate } from './lib/profiles.ts';
import { requests } from './lib/workload.ts';

export { cancelLeft as teardown } from './lib/batches.ts';
export { setup } from './lib/preflight.ts';
export { handleSummary } from './lib/summary.ts';

const drawn = requests();
const durationS = duration('1m');
const lines = Math.max(1, Math.round(number('LINES', rate(10) * durationS)));
/** Reading the file, and polling for the end, take a moment whatever the size. */
const FIXED_S = 10;
const withinS = durationS + FIXED_S;

export const options = optionsOf(
  {
    batch: {
      executor: 'per-vu-iterations',
      vus: 1,
      iterations: 1,
      maxDuration: `${Math.ceil(withinS * 10)}s`,
    },
  },
  {
    llm_errors: ['count==0'],
    checks: ['rate==1'],
    llm_batch_lines: [`count==${lines}`],
    'llm_e2e{lane:batch}': [`max<${withinS * 1000}`],
  },
);

export default async function (prepared: Prepared): Promise<void> {
  const { model } = prepared;
  const startedAt = Date.now();
  const draws = Array.from(
    { length: lines },
    (_, i) => drawn[i % drawn.length] ?? { promptTokens: 9, outputTokens: 9 },
  );
  const submitted = await submitBatch(prepared, draws);
  if (typeof submitted === 'string') return metrics.fail(submitted, batchTags(model));
  const ended = await followBatch(model, submitted, startedAt + withinS * 10_000);
  if (typeof ended === 'string') return metrics.fail(ended, batchTags(model));
  metrics.e2e.add(Date.now() - startedAt, { ...batchTags(model) });
  await compare(model, ended);
}

/** Counts against lines, and lines against results: each custom id exactly once. */
async function compare(model: string, batch: Batch): Promise<void> {
  const { total, completed, failed } = batch.request_counts;
  const answered = failed < total ? await readResults(model, batch) : new Set<string>();
  const tags = { ...batchTags(model) };
  check(
    batch,
    {
      'batch is completed': ({ status }) => status === 'completed',
      'every line was counted': () => total === lines && completed + failed === total,
      'no line failed': () => failed === 0,
      'every line has a result': () => typeof answered !== 'string' && answered.size === lines,
    },
    tags,
  );
  if (typeof answered === 'string') metrics.fail(answered, batchTags(model));
}
