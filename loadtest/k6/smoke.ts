/** Does it work at all? One request a second, everything must be whole and in time. */
import { ask } from './lib/ask.ts';
import type { Prepared } from './lib/preflight.ts';
import { constant, duration, optionsOf, rate } from './lib/profiles.ts';

export { setup } from './lib/preflight.ts';
export { handleSummary } from './lib/summary.ts';

export const options = optionsOf({ smoke: constant(rate(1), duration('10s')) });

export default async function (prepared: Prepared): Promise<void> {
  await ask(prepared, { promptTokens: 50, outputTokens: 16 });
}
