/** Does it work at all? One request a second, everything must be whole and in time. */
import exec from 'k6/execution';
import { chat } from './lib/client.ts';
import type { Prepared } from './lib/preflight.ts';
import { constant, duration, optionsOf, rate } from './lib/profiles.ts';
import { promptText } from './lib/workload.ts';

export { setup } from './lib/preflight.ts';
export { handleSummary } from './lib/summary.ts';

export const options = optionsOf({ smoke: constant(rate(1), duration('10s')) });

export default async function ({ model, run }: Prepared): Promise<void> {
  const content = promptText(`${run} ${exec.scenario.iterationInTest}`, 50);
  await chat({ model, messages: [{ role: 'user', content }], maxTokens: 16 });
}
