/** `npm run plan`: what a fleet would do with a workload, on a virtual clock, under Penstock's rules and others'. */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { commandLine, IS_PACKED } from '@penstock/runtime';
import { count, positive } from '../arguments.ts';
import { SCENARIOS, scenarioOf } from '../workloads/scenarios.ts';
import { renderTable, type Summary, summarize } from '../workloads/summary.ts';
import { assertSome, TraceError } from '../workloads/trace.ts';
import { renderFairness } from './fairness-plan.ts';
import { renderOverload } from './overload-plan.ts';
import { renderPlans } from './page.ts';
import { POLICIES, policyOf } from './policies.ts';
import { planScaling } from './scaling/scaling-plan.ts';
import { outcomesOf, simulate } from './simulate.ts';
import { measureSimulator, renderSpeed, type SimulatorFigures } from './speed.ts';

const PAGE = new URL('../../docs/simulator.md', import.meta.url).pathname;
const SPEED = new URL('../results/simulator.json', import.meta.url).pathname;
const MAX_ENGINES = 100_000;
const MAX_SEED = 2 ** 31;
/** Options that write files of the repository. */
const REPOSITORY_ONLY = `
  --page            all scenarios, 900 s each, into docs/simulator.md
  --speed           how fast the simulator itself is, into loadtest/results/simulator.json; the page shows it`;
const USAGE = `usage: ${commandLine('plan')} [options]
       ${commandLine('plan')} --scaling [options]: autoscalers over days of load; --scaling --help tells more
       ${commandLine('plan')} --fairness: what projects get while one of them floods (docs/fairness.md has the tables), a minute or two
       ${commandLine('plan')} --overload: how good estimates of the wait are, and what is in time at up to ten times what a fleet can do (docs/admission.md), minutes
  --scenario NAME   ${Object.keys(SCENARIOS).join(', ')} (default uneven)
  --policy NAMES    comma separated; ${Object.keys(POLICIES).join(', ')} (default all)
  --load X          multiple of the workload's own arrival rate (default: the scenario's)
  --engines N       repeat the scenario's fleet until there are N (default: as it is)
  --seconds S       of the workload (default 400)
  --seed N          (default 1)
  --json            print figures instead of tables${IS_PACKED ? '' : REPOSITORY_ONLY}`;

interface Args {
  readonly scenario: string;
  readonly policies: readonly string[];
  readonly loads: readonly number[];
  readonly fleet: readonly number[];
  readonly seconds: number;
  readonly seed: number;
  readonly json: boolean;
  readonly page: boolean;
  readonly speed: boolean;
}

function readArgs(): Args | null {
  const { values } = parseArgs({
    options: {
      scenario: { type: 'string', default: 'uneven' },
      policy: { type: 'string', default: Object.keys(POLICIES).join(',') },
      load: { type: 'string' },
      engines: { type: 'string' },
      seconds: { type: 'string', default: '400' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      page: { type: 'boolean', default: false },
      speed: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  if (IS_PACKED && (values.page || values.speed))
    throw new RangeError('--page and --speed write files of the repository: use a checkout');
  const { fleet, loads } = scenarioOf(values.scenario);
  const engines = count('engines', values.engines ?? String(fleet.length), MAX_ENGINES);
  return {
    scenario: values.scenario,
    policies: values.policy.split(','),
    loads: values.load === undefined ? loads : [positive('load', values.load)],
    fleet: Array.from({ length: engines }, (_, i) => fleet[i % fleet.length] ?? 1),
    seconds: positive('seconds', values.seconds),
    seed: count('seed', values.seed, MAX_SEED),
    json: values.json,
    page: values.page,
    speed: values.speed,
  };
}

function plan(args: Args): void {
  const scenario = scenarioOf(args.scenario);
  const policies = args.policies.map(name => [name, policyOf(name)] as const);
  for (const load of args.loads) {
    const { source, requests } = scenario.trace({ load, maxSeconds: args.seconds * load }, args.seed);
    assertSome(requests, args.seconds);
    const startedAt = performance.now();
    const rows = policies.map(([name, policy]): [string, Summary] => {
      const { profile, events } = scenario;
      const result = simulate({ policy, requests, profile, fleet: args.fleet, events, seed: args.seed });
      return [name, summarize(requests, outcomesOf(result))];
    });
    const perSecond = (requests.length * rows.length) / ((performance.now() - startedAt) / 1000);
    if (args.json) {
      process.stdout.write(`${JSON.stringify({ scenario: args.scenario, load, source, rows })}\n`);
      continue;
    }
    const about = `${args.scenario}: ${scenario.about}; ${args.fleet.length} engines`;
    const speed = `${perSecond.toFixed(0)} requests simulated per second`;
    process.stdout.write(`\n${about}; load ${load}; requests: ${source}; ${speed}\n\n${renderTable(rows)}\n`);
  }
}

function speed(): void {
  const figures = measureSimulator();
  writeFileSync(SPEED, `${JSON.stringify(figures, null, 2)}\n`);
  process.stdout.write(`${renderSpeed(figures)}\n`);
}

function run(): void {
  const argv = process.argv.slice(2);
  if (argv.includes('--scaling')) return planScaling(argv);
  if (argv.includes('--fairness')) return void process.stdout.write(`${renderFairness()}\n`);
  if (argv.includes('--overload')) return void process.stdout.write(`${renderOverload()}\n`);
  const args = readArgs();
  if (args === null) process.stdout.write(`${USAGE}\n`);
  else if (args.speed) speed();
  else if (args.page)
    writeFileSync(PAGE, renderPlans(JSON.parse(readFileSync(SPEED, 'utf8')) as SimulatorFigures));
  else plan(args);
}

try {
  run();
} catch (err) {
  const known = err instanceof RangeError || err instanceof TraceError || err instanceof TypeError;
  if (!known) throw err;
  process.stderr.write(`plan: ${err.message}\n`);
  process.exit(2);
}
