/** The command line of `npm run load`. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { PROFILES } from '@penstock/engine-sim';
import { commandLine } from '@penstock/runtime';

/** Scenarios by name, with the question each answers. */
export const SCENARIOS = {
  smoke: 'does it work at all',
  load: 'is every answer in time in a usual hour',
  stress: 'is nothing lost when there is too much, and does it recover',
  spike: 'does it survive the load multiplying at once',
  soak: 'does anything leak or slow down over hours',
  breakpoint: 'how much can it take',
  'async-submit': 'are jobs accepted quickly and all done',
  batch: 'is every line of a batch answered, at the wanted rate',
  affinity: 'do conversations find their history in a cache',
  mixed: 'do people notice a batch',
} as const;
export type ScenarioName = keyof typeof SCENARIOS;

/** Beside the other data of `penstock start`, in the current directory. */
const OWN_RESULTS = '.penstock/load';

export const USAGE = `usage: ${commandLine('load')} <scenario> [options]
${Object.entries(SCENARIOS)
  .map(([name, question]) => `  ${name.padEnd(14)}${question}?`)
  .join('\n')}
options
  --url URL         of a Penstock that runs (default: one is started here, and stopped)
  --key KEY         its API key (default: $PENSTOCK_KEY, or what is in the file $PENSTOCK_KEY_FILE)
  --model NAME      (default: the first there is)
  --rate R          requests a second
  --duration D      such as 30s or 10m
  -e NAME=VALUE     any other setting of loadtest/README.md; may be repeated
  --runner          use the project's runner even where k6 is on the PATH
  --max-late D      allowed p(99) of late starts of the runner, which it implies (default 200ms)
  --workers N       of the stack that is started here (default 2)
  --profile NAME    of its simulated engines (default dense-8b-h100)
  --out DIRECTORY   for the result and the report (default ${OWN_RESULTS}; loadtest/results: those of docs/load-tests.md)`;

/** What the scripts read of the environment: loadtest/README.md says what each is. */
export const SETTINGS = [
  ...['MODEL', 'RATE', 'DURATION', 'SLO_TTFT_MS', 'SLO_TPOT_MS', 'WORKLOAD', 'MAX_INPUT_TOKENS'],
  ...['MAX_OUTPUT_TOKENS', 'IGNORE_EOS', 'TIMEOUT', 'VUS', 'SEED', 'REGION', 'SPIKE', 'JOB_WITHIN'],
  ...['WEBHOOK_URL', 'LINES', 'MAX_TURNS', 'THINK_SCALE', 'MAX_THINK_S', 'MIN_CACHE_HIT', 'SLO_ACCEPT_MS'],
];

/** Where committed results are. */
export const RESULTS = new URL('../results', import.meta.url).pathname;

/** An error in the command line. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Arguments {
  readonly scenario: ScenarioName;
  readonly url: string | null;
  readonly key: string;
  /** For the script: names and values of loadtest/README.md. */
  readonly settings: Readonly<Record<string, string>>;
  readonly ownRunner: boolean;
  /** As the runner reads it; null leaves it to the runner. */
  readonly maxLate: string | null;
  readonly workers: number;
  readonly profile: string;
  readonly out: string;
}

/** @returns null where only help was asked for. @throws UsageError */
export function readArguments(argv: readonly string[], env: NodeJS.ProcessEnv): Arguments | null {
  const { values, positionals } = parse(argv);
  if (values.help) return null;
  const [scenario, ...more] = positionals;
  if (scenario === undefined || more.length > 0 || !Object.hasOwn(SCENARIOS, scenario)) {
    const what =
      scenario === undefined ? 'name one scenario' : `no scenario ${[scenario, ...more].join(' ')}`;
    throw new UsageError(`${what}: use one of ${Object.keys(SCENARIOS).join(', ')}`);
  }
  // The generator inherits the environment: what is set there is a setting of the run like any other.
  const settings: Record<string, string> = {};
  for (const name of SETTINGS) if (env[name]) settings[name] = env[name];
  for (const pair of values.env) {
    const at = pair.indexOf('=');
    if (at < 1) throw new UsageError(`-e ${pair}: give it as NAME=value`);
    settings[pair.slice(0, at)] = pair.slice(at + 1);
  }
  // Written as for k6 itself, target and key mean the same; a key is no setting: settings are in the report.
  const { PENSTOCK_URL: url = values.url, PENSTOCK_KEY: key = values.key } = settings;
  for (const name of ['PENSTOCK_URL', 'PENSTOCK_KEY']) delete settings[name];
  const given = { RATE: values.rate, DURATION: values.duration, MODEL: values.model };
  for (const [name, value] of Object.entries(given)) if (value !== undefined) settings[name] = value;
  return {
    scenario: scenario as ScenarioName,
    url: url === undefined ? null : baseOf(url),
    key: key ?? keyIn(env) ?? '',
    settings,
    ownRunner: values.runner || values['max-late'] !== undefined,
    maxLate: values['max-late'] ?? null,
    workers: count('workers', values.workers),
    profile: profileOf(values.profile),
    out: resolve(values.out),
  };
}

function keyIn(env: NodeJS.ProcessEnv): string | undefined {
  const file = env['PENSTOCK_KEY_FILE'];
  if (!file) return env['PENSTOCK_KEY'] ?? env['PENSTOCK_API_KEY'];
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (err) {
    throw new UsageError(`PENSTOCK_KEY_FILE: ${(err as Error).message}`);
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        url: { type: 'string' },
        key: { type: 'string' },
        model: { type: 'string' },
        rate: { type: 'string' },
        duration: { type: 'string' },
        env: { type: 'string', short: 'e', multiple: true, default: [] },
        runner: { type: 'boolean', default: false },
        'max-late': { type: 'string' },
        workers: { type: 'string', default: '2' },
        profile: { type: 'string', default: 'dense-8b-h100' },
        out: { type: 'string', default: OWN_RESULTS },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (err) {
    throw new UsageError((err as Error).message.split(/\.\s/)[0] ?? 'bad options');
  }
}

function baseOf(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new UsageError(`--url ${text}: give it as http(s)://host:port`);
  return text.replace(/\/(v1\/?)?$/, '');
}

function profileOf(name: string): string {
  if (Object.hasOwn(PROFILES, name)) return name;
  throw new UsageError(`--profile ${name}: use one of ${Object.keys(PROFILES).join(', ')}`);
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (!(Number.isInteger(value) && value >= 1 && value <= 64))
    throw new UsageError(`--${name} ${text}: give a whole number from 1 to 64`);
  return value;
}
