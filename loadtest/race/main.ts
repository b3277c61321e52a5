/** `npm run race`: Penstock against SGLang's router, on the same engines, trace and load, one after the other. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { ensureNatsServer, ensureRedisServer } from '../../deploy/local/tools.ts';
import { count, positive } from '../arguments.ts';
import { SCENARIOS, type Scenario, scenarioOf } from '../workloads/scenarios.ts';
import { renderTable, summarize } from '../workloads/summary.ts';
import { assertSome, TraceError } from '../workloads/trace.ts';
import { assertInstalled, CONTENDERS, type Contender, contenderOf, RaceError } from './contenders.ts';
import { MODEL, startEngines } from './engines.ts';
import { replay, warmUp } from './replay.ts';
import { type RaceResult, type Run, renderRace } from './report.ts';

const USAGE = `usage: npm run race -- [options]
  --scenario NAME     ${Object.keys(SCENARIOS).join(', ')} (default uneven)
  --load X            multiple of the workload's own arrival rate (default: the scenario's)
  --contender NAMES   comma separated; ${Object.keys(CONTENDERS).join(', ')} (default all)
  --rounds N          medians of so many (default 3)
  --seconds S         of the workload (default 300)
  --speed X           times real time (default 6)
  --dry               do not write results`;

const RESULTS = new URL('../results/race.json', import.meta.url).pathname;
const PAGE = new URL('../../docs/race.md', import.meta.url).pathname;
const say = (line: string) => process.stdout.write(`${line}\n`);
/** A run whose requests started later than this measured the machine, not the dispatcher; real ms. */
const MAX_LATE_MS = 100;
const MAX_ROUNDS = 100;

function readArgs() {
  const { values } = parseArgs({
    options: {
      scenario: { type: 'string', default: 'uneven' },
      load: { type: 'string' },
      contender: { type: 'string', default: Object.keys(CONTENDERS).join(',') },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '300' },
      speed: { type: 'string', default: '6' },
      dry: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const scenario = scenarioOf(values.scenario);
  return {
    ...values,
    loads: values.load === undefined ? scenario.loads : [positive('load', values.load)],
    contenders: values.contender.split(',').map(name => [name, contenderOf(name)] as const),
    rounds: count('rounds', values.rounds, MAX_ROUNDS),
    seconds: positive('seconds', values.seconds),
    speed: positive('speed', values.speed),
    about: scenario,
  };
}

interface Heat {
  readonly scenario: Scenario;
  readonly contender: Contender;
  readonly load: number;
  readonly seconds: number;
  readonly speed: number;
  readonly seed: number;
}

/** One contender once. */
async function run(heat: Heat): Promise<Run> {
  const { scenario, load, seconds, speed, seed } = heat;
  const { source, requests } = scenario.trace({ load, maxSeconds: seconds * load }, seed);
  assertSome(requests, seconds);
  const engines = await startEngines(scenario, speed);
  const running = await heat.contender(engines.urls, speed).catch(async (err: unknown) => {
    await engines.stop();
    throw err;
  });
  await warmUp(running, MODEL);
  const before = await engines.computed();
  const timers = scenario.events.map(event =>
    setTimeout(
      () => {
        engines.happen(event);
        if (event.kind === 'kill') running.lose(event.engine);
      },
      (event.atS * 1000) / speed,
    ),
  );
  try {
    const { outcomes, lateP99Ms } = await replay(running, MODEL, requests, speed);
    const after = await engines.computed();
    const computed = after.map((tokens, engine) => Math.max(0, tokens - (before[engine] ?? 0)));
    const mean = computed.reduce((sum, tokens) => sum + tokens, 0) / computed.length;
    const summary = { ...summarize(requests, outcomes), maxOverMean: Math.max(...computed) / mean };
    return { source, lateP99Ms, valid: lateP99Ms <= MAX_LATE_MS, summary };
  } finally {
    for (const timer of timers) clearTimeout(timer);
    await running.stop();
    await engines.stop();
  }
}

async function race(args: ReturnType<typeof readArgs>): Promise<void> {
  assertInstalled(args.contenders.map(([name]) => name));
  process.env['PENSTOCK_TEST_NATS_SERVER'] = await ensureNatsServer();
  process.env['PENSTOCK_TEST_REDIS_SERVER'] = await ensureRedisServer();
  for (const load of args.loads) {
    const runs = new Map<string, Run[]>(args.contenders.map(([name]) => [name, []]));
    for (let round = 1; round <= args.rounds; round++) {
      for (const [name, contender] of args.contenders) {
        const heat = {
          scenario: args.about,
          contender,
          load,
          seconds: args.seconds,
          speed: args.speed,
          seed: round,
        };
        const result = await run(heat);
        say(`${args.scenario} ${load} ${name}: late p99 ${result.lateP99Ms.toFixed(0)} ms`);
        say(renderTable([[name, result.summary]]).split('\n')[2] ?? '');
        runs.get(name)?.push(result);
      }
    }
    const { scenario, seconds, speed, rounds } = args;
    const result: RaceResult = { scenario, load, seconds, speed, rounds, runs: Object.fromEntries(runs) };
    if (!args.dry) keep(result);
  }
}

/** The latest result of each scenario and load is kept; the page is written anew from all of them. */
function keep(result: RaceResult): void {
  const same = (other: RaceResult) => other.scenario === result.scenario && other.load === result.load;
  const results = [...readResults().filter(other => !same(other)), result];
  results.sort((a, b) => a.scenario.localeCompare(b.scenario) || a.load - b.load);
  mkdirSync(new URL('../results/', import.meta.url).pathname, { recursive: true });
  writeFileSync(RESULTS, `${JSON.stringify(results, null, 1)}\n`);
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`;
  writeFileSync(PAGE, renderRace(results, machine));
}

function readResults(): RaceResult[] {
  try {
    return JSON.parse(readFileSync(RESULTS, 'utf8')) as RaceResult[];
  } catch {
    return [];
  }
}

try {
  if (process.argv.includes('--help')) say(USAGE);
  else await race(readArgs());
} catch (err) {
  const known = [RangeError, TraceError, TypeError, RaceError].some(kind => err instanceof kind);
  if (!known) throw err;
  process.stderr.write(`race: ${(err as Error).message}\n`);
  process.exit(2);
}
