/** The command line: as k6's, as far as it goes. */
import { parseArgs } from 'node:util';
import { EXIT, RunFailure } from '../outcome/failure.ts';
import { parseDuration } from './duration.ts';

export interface CommandLine {
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
  readonly vus: number | undefined;
  readonly duration: string | undefined;
  readonly iterations: number | undefined;
  readonly jsonOutput: string | undefined;
  readonly summaryExport: string | undefined;
  readonly maxLateMs: number | undefined;
  readonly quiet: boolean;
}

export const USAGE = `usage: node loadtest/k6-runner/main.ts SCRIPT [options]
  -e, --env KEY=VALUE      a variable of the script's __ENV; may be repeated
      --vus N, --duration D, --iterations N
                           replace the scenarios of the script
      --out json=FILE      every sample, one line of JSON each
      --summary-export FILE
      --max-late DURATION  allowed p(99) of late starts (default 200ms); beyond it the run fails
      --quiet              no progress lines`;

const OPTIONS = {
  env: { type: 'string', short: 'e', multiple: true, default: [] as string[] },
  vus: { type: 'string', short: 'u' },
  duration: { type: 'string', short: 'd' },
  iterations: { type: 'string', short: 'i' },
  out: { type: 'string', short: 'o', multiple: true, default: [] as string[] },
  'summary-export': { type: 'string' },
  'max-late': { type: 'string' },
  quiet: { type: 'boolean', short: 'q', default: false },
} as const;

/** @throws RunFailure with one line that says what is wrong. */
export function readArguments(args: readonly string[]): CommandLine {
  const { values, positionals } = parse(args);
  const [script, ...rest] = positionals[0] === 'run' ? positionals.slice(1) : positionals;
  if (script === undefined || rest.length > 0) throw usage('needs exactly one script');
  return {
    script,
    env: readEnv(values.env),
    vus: whole('vus', values.vus),
    duration: checkDuration('duration', values.duration),
    iterations: whole('iterations', values.iterations),
    jsonOutput: readOut(values.out),
    summaryExport: values['summary-export'],
    maxLateMs: values['max-late'] === undefined ? undefined : durationOf('max-late', values['max-late']),
    quiet: values.quiet,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw usage((error as Error).message.split(/\.?\n/)[0] ?? '');
  }
}

function usage(why: string): RunFailure {
  return new RunFailure(EXIT.invalidConfig, `${why}; --help shows the usage`);
}

function readEnv(pairs: readonly string[]): Record<string, string> {
  const env: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals < 1) throw usage(`-e ${pair}: write KEY=VALUE`);
    env[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return env;
}

function whole(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d*$/.test(text)) throw usage(`--${name} ${text}: must be a whole number above 0`);
  return Number(text);
}

function checkDuration(name: string, text: string | undefined): string | undefined {
  if (text !== undefined) durationOf(name, text);
  return text;
}

function durationOf(name: string, text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw usage(`--${name}: ${(error as Error).message}`);
  }
}

function readOut([out, ...more]: readonly string[]): string | undefined {
  if (out === undefined) return undefined;
  if (more.length > 0) throw usage('--out may be given once');
  if (out.startsWith('json=') && out.length > 5) return out.slice(5);
  throw usage(`--out ${out}: this runner writes json=FILE`);
}
