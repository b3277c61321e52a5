/** Jobs: submit, get 202, come back for the answer when told to. Is accepting quick, and does every job get done? */
import { check } from 'k6';
import { drawOf, promptOf } from './lib/ask.ts';
import { seconds } from './lib/env.ts';
import { runJob } from './lib/jobs.ts';
import type { Prepared } from './lib/preflight.ts';
import { constant, duration, HONEST, optionsOf, rate } from './lib/profiles.ts';
import { requests } from './lib/workload.ts';

export { setup } from './lib/preflight.ts';
export { handleSummary } from './lib/summary.ts';

const drawn = requests();
const withinS = seconds('JOB_WITHIN', '60s');

export const options = optionsOf(
  { jobs: constant(rate(5), duration('1m'), withinS) },
  {
    ...HONEST,
    llm_errors: ['count==0'],
    checks: ['rate==1'],
    llm_accept: ['p(99)<500'],
    'llm_e2e{lane:background}': [`p(99)<${withinS * 1000}`],
  },
);

export default async function (prepared: Prepared): Promise<void> {
  const draw = drawOf(drawn);
  const { model } = prepared;
  const error = await runJob(model, promptOf(prepared, draw), draw.outputTokens);
  check(error, { 'job is done': value => value === null }, { model, lane: 'background' });
}
