/**
 * Jobs: submit, get 202, come back for the answer. Is accepting quick, and does every job get done? The client asks when it was
 * told to ask again; with WEBHOOK_URL it waits for the webhook instead.
 */
import { check } from 'k6';
import { drawOf, promptOf } from './lib/ask.ts';
import { SLO_ACCEPT_MS, seconds, text } from './lib/env.ts';
import { runJob } from './lib/jobs.ts';
import { type Prepared, setup as preflight } from './lib/preflight.ts';
import { constant, duration, HONEST, optionsOf, rate } from './lib/profiles.ts';
import { closeEndpoint, openEndpoint } from './lib/webhooks.ts';
import { requests } from './lib/workload.ts';

export { handleSummary } from './lib/summary.ts';

interface WithEndpoint extends Prepared {
  readonly endpoint: string | null;
}

const drawn = requests();
const withinS = seconds('JOB_WITHIN', '60s');
const webhookUrl = text('WEBHOOK_URL', '');

export const options = optionsOf(
  { jobs: constant(rate(5), duration('1m'), withinS) },
  {
    ...HONEST,
    llm_errors: ['count==0'],
    checks: ['rate==1'],
    llm_accept: [`p(99)<${SLO_ACCEPT_MS}`],
    'llm_e2e{lane:background}': [`p(99)<${withinS * 1000}`],
  },
);

export async function setup(): Promise<WithEndpoint> {
  const prepared = await preflight();
  return { ...prepared, endpoint: webhookUrl === '' ? null : await openEndpoint(webhookUrl) };
}

export default async function (prepared: WithEndpoint): Promise<void> {
  const { model, endpoint } = prepared;
  const draw = drawOf(drawn);
  const order = { model, content: promptOf(prepared, draw), maxTokens: draw.outputTokens, endpoint };
  const error = await runJob(order);
  check(error, { 'job is done': value => value === null }, { model, lane: 'background' });
}

export async function teardown({ endpoint }: WithEndpoint): Promise<void> {
  if (endpoint !== null) await closeEndpoint(endpoint);
}
