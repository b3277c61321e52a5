/** The shortest history that still goes wrong: faults, then requests, are left out one by one as long as something does not hold. */
import type { Plan } from './plan.ts';
import { type Outcome, simulate } from './simulate.ts';

export interface Shrunk {
  readonly plan: Plan;
  readonly outcome: Outcome;
}

export async function shrink(plan: Plan): Promise<Shrunk> {
  const fails = async (candidate: Plan) => (await simulate(candidate)).violations.length > 0;
  let shortest = plan;
  for (let isShorter = true; isShorter; ) {
    isShorter = false;
    for (const candidate of candidatesOf(shortest)) {
      if (!(await fails(candidate))) continue;
      shortest = candidate;
      isShorter = true;
      break;
    }
  }
  return { plan: shortest, outcome: await simulate(shortest, true) };
}

function candidatesOf(plan: Plan): Plan[] {
  const without = <T>(all: readonly T[], i: number) => all.filter((_, at) => at !== i);
  return [
    ...plan.faults.map((_, i) => ({ ...plan, faults: without(plan.faults, i) })),
    ...plan.requests.map((_, i) => ({ ...plan, requests: without(plan.requests, i) })),
  ];
}

/** What a person needs to see of a seed that goes wrong. */
export async function explain(plan: Plan): Promise<string> {
  const { plan: shortest, outcome } = await shrink(plan);
  const { violations, history } = outcome;
  return [
    `seed ${plan.seed}: with ${shortest.faults.length} of ${plan.faults.length} faults and ${shortest.requests.length} of ${plan.requests.length} requests`,
    ...violations.map(({ rule, about, what }) => `  ${rule}${about === '' ? '' : ` (${about})`}: ${what}`),
    'history, ms:',
    ...history,
    `alone: npm run chaos -- --simulate --seed ${plan.seed}`,
  ].join('\n');
}
