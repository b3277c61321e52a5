/** The traffic of a usual hour, squeezed into DURATION: does every request get its answer in time? */
import { ask, drawOf } from './lib/ask.ts';
import type { Prepared } from './lib/preflight.ts';
import { arrivals, duration, optionsOf, pattern, ramping, rate } from './lib/profiles.ts';
import { requests } from './lib/workload.ts';

export { setup } from './lib/preflight.ts';
export { handleSummary } from './lib/summary.ts';

const drawn = requests();

export const options = optionsOf({
  load: ramping(pattern(arrivals().hour.relative, rate(10), duration('5m'))),
});

export default async function (prepared: Prepared): Promise<void> {
  await ask(prepared, drawOf(drawn));
}
