/** The traffic of a usual day, for hours: does anything leak, fill up or slow down? The last third must be as good as the first. */
import exec from 'k6/execution';
import { ask, drawOf } from './lib/ask.ts';
import type { Prepared } from './lib/preflight.ts';
import { arrivals, duration, optionsOf, pattern, ramping, rate, WELL } from './lib/profiles.ts';
import { requests } from './lib/workload.ts';

export { setup } from './lib/preflight.ts';
export { handleSummary } from './lib/summary.ts';

const drawn = requests();
const PARTS = ['first', 'middle', 'last'];

export const options = optionsOf(
  { soak: ramping(pattern(arrivals().day.relative, rate(5), duration('2h'))) },
  {
    ...WELL,
    'llm_slo_good{part:first}': ['rate>=0.99'],
    'llm_slo_good{part:last}': ['rate>=0.99'],
    'llm_ttft{part:first}': ['p(99)>=0'],
    'llm_ttft{part:last}': ['p(99)>=0'],
  },
);

export default async function (prepared: Prepared): Promise<void> {
  const part = PARTS[Math.min(2, Math.floor(exec.scenario.progress * 3))] ?? 'last';
  await ask(prepared, drawOf(drawn), { part });
}
