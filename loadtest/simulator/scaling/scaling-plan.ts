/** `npm run plan -- --scaling`: what autoscalers make of days of load, on a virtual clock. */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { commandLine, IS_PACKED } from '@penstock/runtime';
import { count, positive } from '../../arguments.ts';
import { type Comparison, compare, type FleetPlan, renderComparison } from './compare.ts';
import { generatedRates, type RateTable, readRates, scaled } from './rates.ts';

const PAGE = new URL('../../../docs/scaling-plan.md', import.meta.url).pathname;
const RESULTS = new URL('../../results/scaling.json', import.meta.url).pathname;
const MAX_SEED = 2 ** 31;
const SCALING_USAGE = `usage: ${commandLine('plan')} --scaling [options]
  --rates FILE      arrival rates: a CSV (or .gz) with the columns window_start_s and rate_rps (default: a table is generated)
  --pool NAME       rows of the file whose column pool says so
  --days N          (default 7)
  --rate X          mean requests a second (default 200)
  --service S       seconds that a request keeps a slot (default 10)
  --slots N         of a worker (default 32)
  --start S         seconds that a worker takes to start (default 180)
  --patience S      seconds within which a request has to be taken (default 4)
  --price X         of a worker, an hour (default 2.5)
  --tokens N        output tokens of a request (default 300)
  --seed N          (default 1)
  --json            print figures instead of a table${IS_PACKED ? '' : '\n  --page            into docs/scaling-plan.md and loadtest/results/scaling.json; with --rates FILE also its pools m-large, m-mid, m-small'}`;

const POOLS = ['m-large', 'm-mid', 'm-small'];
/** Beside the usual one. */
const OTHER_STARTS_S = [30, 60, 300, 600];

interface Args {
  readonly rates: string | undefined;
  readonly pool: string | null;
  readonly days: number;
  readonly mean: number;
  readonly plan: FleetPlan;
  readonly json: boolean;
  readonly page: boolean;
}

function readArgs(args: readonly string[]): Args | null {
  const number = (value: string) => ({ type: 'string', default: value }) as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...{ scaling: { type: 'boolean' }, rates: { type: 'string' }, pool: { type: 'string' } },
      ...{ days: number('7'), rate: number('200'), service: number('10'), slots: number('32') },
      ...{ start: number('180'), patience: number('4'), price: number('2.5'), tokens: number('300') },
      ...{ seed: number('1'), json: { type: 'boolean', default: false } },
      ...{ page: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
    },
  });
  if (values.help) return null;
  if (IS_PACKED && values.page) throw new RangeError('--page writes files of the repository: use a checkout');
  return {
    ...{ rates: values.rates, pool: values.pool ?? null, json: values.json, page: values.page },
    ...{ days: count('days', values.days, 366), mean: positive('rate', values.rate) },
    plan: {
      slots: count('slots', values.slots, 100_000),
      serviceS: positive('service', values.service),
      startS: positive('start', values.start),
      patienceS: positive('patience', values.patience),
      price: positive('price', values.price),
      outputTokens: count('tokens', values.tokens, 1_000_000),
      seed: count('seed', values.seed, MAX_SEED),
    },
  };
}

/** @param argv of the command line, `--scaling` among them. */
export function planScaling(argv: readonly string[]): void {
  const args = readArgs(argv);
  if (args === null) return void process.stdout.write(`${SCALING_USAGE}\n`);
  if (args.page) return writePage(args);
  const comparison = compare(tableOf(args, args.pool), args.plan);
  const { source, days, requests, startS } = comparison;
  process.stdout.write(
    args.json
      ? `${JSON.stringify(comparison)}\n`
      : `\n${source}; ${days} days, ${requests} requests; workers start in ${startS} s\n\n${renderComparison(comparison)}\n`,
  );
}

function tableOf({ rates, days, mean, plan }: Args, pool: string | null): RateTable {
  const table = rates === undefined ? generatedRates(days, plan.seed) : readRates(rates, pool);
  return scaled(table, days, mean);
}

function writePage(args: Args): void {
  const generated = { ...args, rates: undefined };
  const weeks = [
    compare(tableOf(generated, null), args.plan),
    ...(args.rates === undefined
      ? []
      : POOLS.map(pool => renamed(compare(tableOf(args, pool), args.plan), pool))),
  ];
  const starts = OTHER_STARTS_S.map(startS =>
    compare(tableOf(generated, null), { ...args.plan, startS }, ['hpa-like', 'hpa-90', 'penstock']),
  );
  writeFileSync(RESULTS, `${JSON.stringify({ plan: args.plan, weeks, starts }, null, 2)}\n`);
  writeFileSync(PAGE, renderPage(args, weeks, starts));
}

/** Not after a path of the machine that measured. */
function renamed(comparison: Comparison, pool: string): Comparison {
  return { ...comparison, source: `ServeGen, pool ${pool}` };
}

function renderPage(
  { plan, mean }: Args,
  weeks: readonly Comparison[],
  starts: readonly Comparison[],
): string {
  const parts = weeks.map(
    week => `## ${week.source}\n${week.days} days, ${week.requests} requests.\n\n${renderComparison(week)}`,
  );
  return `# Autoscalers compared

Written by \`npm run plan -- --scaling --page\`. **Simulated**: the rules of [the scaler](scaling.md) (\`libs/policy/scaling\`, the product's own
code) beside others on the same arrivals, second by second, on a virtual clock. No process and no GPU ran.

A worker has ${plan.slots} slots, a request keeps one for ${plan.serviceS} s, a worker takes ${plan.startS} s to start and is paid from its order on, ${plan.price} an hour.
${mean} requests a second on average; rates change steadily from one window to the next, and bursts of ten seconds come on top (variance three
times that of a Poisson process). In SLO: taken by a worker within ${plan.patienceS} s. Whoever waits for a minute gives up. A request has ${plan.outputTokens} output tokens.

- **Over-allocated**: worker hours beyond those of the oracle, as a share of all that are paid. The oracle knows every arrival in advance, has for
  each minute the fewest workers with which nothing waits, and starts them at once.
- **static-peak**: what the busiest minute needs, always. **hpa-like**: a horizontal pod autoscaler by slots in use, 75 % aimed at, **hpa-90** 90 %. **keda-lag**:
  what waits and runs, a worker for 75 % of its slots, as [the chart's KEDA](kubernetes.md#scaling) does. **kpa-like**: Knative's, 70 % aimed at, with its panic window.
- Used, headroom, idle, starting: what paid time went to; free slots count as headroom as far as chance makes them needed.

${parts.join('\n\n')}

## Workers that start faster or slower
The generated week. The longer a start takes, the further ahead has to be guessed: where it takes as long as the load takes to change, guesses are bad.

${starts.map(each => `### ${each.startS} s\n\n${renderComparison(each)}`).join('\n\n')}
`;
}
