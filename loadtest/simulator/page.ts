/** The simulator's results as a page: every scenario, the yardsticks that matter, and how near the oracle Penstock comes. */
import { DEATH_KNOWN_AFTER_MS } from '@penstock/policy';
import { SCENARIOS, type Scenario } from '../workloads/scenarios.ts';
import { renderTable, SLO, type Summary, summarize } from '../workloads/summary.ts';
import { lruReference } from './lru-reference.ts';
import { policyOf } from './policies.ts';
import { outcomesOf, profileOf, simulate } from './simulate.ts';
import { renderSpeed, type SimulatorFigures } from './speed.ts';

const SHOWN = [
  'round-robin',
  'power-of-two',
  'least-requests-1s',
  'cache-aware',
  'plain-pull',
  'penstock',
  'oracle',
];
const SECONDS = 900;
const SEED = 1;

export function renderPlans(speed: SimulatorFigures): string {
  const parts = Object.entries(SCENARIOS).flatMap(([name, scenario]) =>
    scenario.loads.map(load => renderPlan(name, scenario, load)),
  );
  return `# The simulator

Written by \`npm run plan -- --page\`. Penstock's own decisions (\`libs/policy\`: load meter, bids, placements, with their pauses and
turns) on a virtual clock, compared with other dispatching policies. One of these is an oracle: it knows every queue, length and
cache, and sends each request to where its first token comes soonest.

Engines are dense-70b-h100x4, simulated as a fluid (\`loadtest/simulator/engine/fluid-engine.ts\`). Networks take no time here, an
ingress hears of every change at once, and it remembers every block of a prompt where the product remembers checkpoints;
[the race](race.md) runs real processes. A killed worker is noticed after ${DEATH_KNOWN_AFTER_MS / 1000} s, as in the product.
\`test/e2e/parity.test.ts\` puts the decisions of real processes through this simulator, which has to decide the same each time.

In SLO: first token within ${SLO.ttftS} s and ${SLO.tpotS} s a token after it. ${SECONDS} s of each workload, seed ${SEED}.

${parts.join('\n\n')}

## Popular prefixes
${renderSpread()}

## A full hour
${renderHour()}

## Speed
${renderSpeed(speed)} Measured by \`npm run plan -- --speed\` in processor time, the fastest of several rounds, on a
machine (${speed.processor}) with ${speed.processors} processors and a load average of ${speed.loadAverage.toFixed(1)}. Others' work on the machine slows it.
`;
}

function judge(
  scenario: Scenario,
  load: number,
  policy: string,
  fleet: readonly number[],
  seconds: number,
): Summary {
  const { requests } = scenario.trace({ load, maxSeconds: seconds * load }, SEED);
  const { profile, events } = scenario;
  return summarize(
    requests,
    outcomesOf(simulate({ policy: policyOf(policy), requests, profile, fleet, events })),
  );
}

function renderPlan(name: string, scenario: Scenario, load: number): string {
  const rows = SHOWN.map((policy): [string, Summary] => [
    policy,
    judge(scenario, load, policy, scenario.fleet, SECONDS),
  ]);
  const { source } = scenario.trace({ maxRequests: 1 }, SEED);
  const [own, best] = ['penstock', 'oracle'].map(policy => rows.find(([row]) => row === policy)?.[1]);
  const ratio = ((own?.ttftP99S ?? 0) / (best?.ttftP99S ?? 1)).toFixed(2);
  const points = (100 * ((own?.inSlo ?? 0) - (best?.inSlo ?? 0))).toFixed(1);
  const against = `Against the oracle: p99 × ${ratio}, share in SLO ${points} points.`;
  return `## ${name}, load ${load}\n${scenario.about}; requests: ${source}.\n\n${renderTable(rows)}\n\n${against}`;
}

/** Sixteen equal engines for the whole hour of the trace: how much of what a cache could give is had. */
function renderHour(): string {
  const fleet = Array.from({ length: 16 }, () => 1);
  const rows = ['round-robin', 'cache-aware', 'penstock', 'oracle'].map((policy): [string, Summary] => [
    policy,
    judge(SCENARIOS.even, 1, policy, fleet, 3600),
  ]);
  const { trace, profile } = SCENARIOS.even;
  const { requests } = trace({ load: 1, maxSeconds: 3600 }, SEED);
  const reference = lruReference(requests, fleet, profileOf(profile).kvCapacityTokens);
  const own = rows.find(([row]) => row === 'penstock')?.[1].hit ?? 0;
  const of = `One cache of the same size a worker, longest prefix first, when time does not matter: ${reference.toFixed(3)} of the prompt tokens; Penstock has ${(own / reference).toFixed(2)} of that.`;
  return `Chat at load 1 on sixteen equal engines.\n\n${renderTable(rows)}\n\n${of}`;
}

/** A popular prefix must not make its owner the busiest worker: equal engines, so that shares of work can be compared. */
function renderSpread(): string {
  const fleet = Array.from({ length: 8 }, () => 1);
  const parts = [1, 1.5, 3].map(load => {
    const rows = ['cache-aware', 'penstock', 'oracle'].map((policy): [string, Summary] => [
      policy,
      judge(SCENARIOS['system-prompt'], load, policy, fleet, SECONDS),
    ]);
    return `### load ${load}\n\n${renderTable(rows)}`;
  });
  return `The system prompts of twenty-four applications on eight equal engines.\n\n${parts.join('\n\n')}`;
}
