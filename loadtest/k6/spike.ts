/**
 * The load multiplies at once, as in the Azure code trace, and falls back. Nothing may be lost, and after the spike answers
 * must be in time as they were before.
 */
import { ask, drawOf } from './lib/ask.ts';
import { number } from './lib/env.ts';
import type { Prepared } from './lib/preflight.ts';
import { arrivals, duration, HONEST, optionsOf, phaseOf, rate, stairs } from './lib/profiles.ts';
import { requests } from './lib/workload.ts';

export { setup } from './lib/preflight.ts';
export { handleSummary } from './lib/summary.ts';

const drawn = requests();
const usual = rate(2);
const totalS = duration('2m');
/** How many times the usual rate: what the trace's busiest ten seconds were to its mean. */
const factor = number('SPIKE', arrivals().spike.peakToMean['10s'] ?? 10);

const plan = [
  { name: 'before', rate: usual, forS: totalS * 0.25 },
  { name: 'spike', rate: usual * factor, forS: totalS * 0.15 },
  { name: 'draining', rate: usual, forS: totalS * 0.35 },
  { name: 'recovered', rate: usual, forS: totalS * 0.25 },
];

export const options = optionsOf(
  { spike: stairs(plan, 60) },
  {
    ...HONEST,
    llm_lost: ['count==0'],
    'llm_slo_good{phase:before}': ['rate>=0.99'],
    'llm_slo_good{phase:recovered}': ['rate>=0.99'],
  },
);

export default async function (prepared: Prepared): Promise<void> {
  await ask(prepared, drawOf(drawn), { phase: phaseOf(plan) });
}
