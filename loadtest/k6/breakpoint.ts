/**
 * How much can it take? RATE in ten rising steps; the first step that is not in time ends the run. Failing is what this one is
 * for: the last step that held is the capacity. Switch autoscaling off, or it is the autoscaler that is measured.
 */
import type { ObjectThreshold } from 'k6/options';
import { ask, drawOf } from './lib/ask.ts';
import type { Prepared } from './lib/preflight.ts';
import { duration, HONEST, optionsOf, phaseOf, rate, stairs } from './lib/profiles.ts';
import {
  type ListedSummary,
  NOT_TOLD,
  renderSummary,
  type SummaryData,
  summaryOf,
  writeSummary,
} from './lib/summary.ts';
import { requests } from './lib/workload.ts';

export { setup } from './lib/preflight.ts';

const STEPS = 10;
const drawn = requests();
const stepS = duration('10m') / STEPS;
const plan = Array.from({ length: STEPS }, (_, i) => ({
  name: `step_${i + 1}`,
  rate: (rate(50) * (i + 1)) / STEPS,
  forS: stepS,
}));

const thresholds: Record<string, (string | ObjectThreshold)[]> = { ...HONEST, llm_lost: ['count==0'] };
for (const [i, { name }] of plan.entries()) {
  const delayS = stepS * (i + 0.9);
  thresholds[`llm_slo_good{phase:${name}}`] = [
    { threshold: 'rate>=0.95', abortOnFail: true, delayAbortEval: `${Math.round(delayS * 1000)}ms` },
  ];
}

export const options = optionsOf({ breakpoint: stairs(plan, 20) }, thresholds);

export default async function (prepared: Prepared): Promise<void> {
  await ask(prepared, drawOf(drawn), { phase: phaseOf(plan) });
}

export function handleSummary(data: SummaryData | ListedSummary): Record<string, string> {
  const summary = summaryOf(data);
  return writeSummary(summary, `${renderSummary(summary)}${verdict(summary)}\n`);
}

function verdict(data: SummaryData): string {
  if (data.metrics['iterations'] === undefined) return '';
  if (data.metrics[`llm_slo_good{phase:${plan[0]?.name}}`] === undefined) return `capacity: ${NOT_TOLD}\n`;
  const held = plan.filter(({ name }) => {
    const metric = data.metrics[`llm_slo_good{phase:${name}}`];
    const { passes = 0, fails = 0 } = metric?.values ?? {};
    return passes + fails > 0 && Object.values(metric?.thresholds ?? {}).every(({ ok }) => ok);
  });
  const last = held[held.length - 1];
  if (last === undefined) return 'capacity: not even the first step was in time\n';
  const more = held.length === plan.length ? ' or more: no step broke it' : '';
  return `capacity: ${last.rate.toFixed(1)} requests/s${more}\n`;
}
