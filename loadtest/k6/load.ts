/** The traffic of a usual hour, squeezed into DURATION: does every request get its answer in time? */
import exec from 'k6/execution';
import { chat } from './lib/client.ts';
import type { Prepared } from './lib/preflight.ts';
import { arrivals, duration, optionsOf, pattern, ramping, rate } from './lib/profiles.ts';
import { promptText, requests } from './lib/workload.ts';

export { setup } from './lib/preflight.ts';
export { handleSummary } from './lib/summary.ts';

const drawn = requests();

export const options = optionsOf({
  load: ramping(pattern(arrivals().hour.relative, rate(10), duration('5m'))),
});

export default async function ({ model, run }: Prepared): Promise<void> {
  const index = exec.scenario.iterationInTest;
  const draw = drawn[index % drawn.length] ?? { promptTokens: 100, outputTokens: 20 };
  const content = promptText(`${run} ${index}`, draw.promptTokens);
  await chat({ model, messages: [{ role: 'user', content }], maxTokens: draw.outputTokens });
}
