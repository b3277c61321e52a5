/**
 * More than it can take: half of RATE, RATE, one and a half, double, and back. Late is allowed and refused is allowed, lost
 * is not; and when the flood is over, answers must be in time again.
 */
import { ask, drawOf } from './lib/ask.ts';
import type { Prepared } from './lib/preflight.ts';
import { duration, HONEST, optionsOf, phaseOf, rate, stairs } from './lib/profiles.ts';
import { requests } from './lib/workload.ts';

export { setup } from './lib/preflight.ts';
export { handleSummary } from './lib/summary.ts';

const drawn = requests();
const full = rate(20);
const totalS = duration('10m');
const plan = [
  { name: 'half', rate: full * 0.5, forS: totalS * 0.15 },
  { name: 'full', rate: full, forS: totalS * 0.15 },
  { name: 'over', rate: full * 1.5, forS: totalS * 0.15 },
  { name: 'double', rate: full * 2, forS: totalS * 0.15 },
  { name: 'draining', rate: full * 0.25, forS: totalS * 0.25 },
  { name: 'recovered', rate: full * 0.25, forS: totalS * 0.15 },
];

export const options = optionsOf(
  { stress: stairs(plan, 60) },
  {
    ...HONEST,
    llm_lost: ['count==0'],
    'llm_slo_good{phase:half}': ['rate>=0.99'],
    'llm_slo_good{phase:recovered}': ['rate>=0.95'],
  },
);

export default async function (prepared: Prepared): Promise<void> {
  await ask(prepared, drawOf(drawn), { phase: phaseOf(plan) });
}
