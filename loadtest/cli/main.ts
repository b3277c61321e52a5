/** `npm run load -- <scenario>`: one load test, from nothing to a report. */
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { programFile } from '@penstock/runtime';
import { cpuSeconds } from '../bench/measure/cpu.ts';
import { type Arguments, RESULTS, readArguments, SCENARIOS, USAGE, UsageError } from './arguments.ts';
import { findGenerator, type Generator, startGenerator } from './generator.ts';
import { PointFile } from './points.ts';
import { progressLine } from './progress.ts';
import { renderReport } from './report.ts';
import { figuresOf, type LoadResult, type Summary, thresholdsOf } from './result.ts';
import { writeResultsPage } from './results-page.ts';
import { runningAt, type Target } from './target.ts';
import { Recorder } from './timeline.ts';

const TICK_MS = 1000;
/** k6 and the runner end with this when a threshold failed: the run itself went well. */
const THRESHOLDS_FAILED = 99;
/** The runner's own: the load was not what it should have been. */
const INVALID_RESULT = 120;
const INTERRUPTED = 130;
const say = (line: string) => process.stdout.write(`${line}\n`);

/** Where there is no load, nothing is lost: with this process all of the local stack ends. */
function giveUp(): void {
  process.stderr.write('load: interrupted\n');
  process.exit(INTERRUPTED);
}
let onSignal: (signal: NodeJS.Signals) => void = giveUp;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => onSignal(signal));

interface Outcome {
  readonly code: number;
  readonly startedAt: number;
  readonly seconds: number;
  /** CPU time of the generator, s; null where the system does not tell. */
  readonly cpu: number | null;
  readonly recorder: Recorder;
  readonly summary: Summary | null;
}

async function generate(args: Arguments, target: Target, generator: Generator): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-load-'));
  const [samples, summaryFile] = [join(directory, 'samples.json'), join(directory, 'summary.json')];
  const env = {
    ...target.settings,
    ...args.settings,
    PENSTOCK_URL: target.url,
    PENSTOCK_KEY: target.key,
    SUMMARY: summaryFile,
  };
  const startedAt = Date.now();
  const recorder = new Recorder();
  const points = new PointFile(samples);
  const read = () => points.read(point => recorder.add(point));
  const { child, ended } = startGenerator(
    generator,
    programFile(`loadtest/k6/${args.scenario}`),
    samples,
    env,
  );
  // Ctrl-C reaches the generator by itself, and a second one would cut its summary off.
  onSignal = signal => signal !== 'SIGINT' && child.kill('SIGTERM');
  let cpu: number | null = null;
  const timer = setInterval(() => {
    read();
    cpu = cpuOf(child.pid) ?? cpu;
    say(progressLine(recorder, startedAt, Date.now()));
  }, TICK_MS);
  try {
    const code = await ended;
    read();
    return {
      code,
      startedAt,
      seconds: (Date.now() - startedAt) / 1000,
      cpu,
      recorder,
      summary: readSummary(summaryFile),
    };
  } finally {
    clearInterval(timer);
    onSignal = giveUp;
    rmSync(directory, { recursive: true, force: true });
  }
}

function cpuOf(pid: number | undefined): number | null {
  try {
    return pid === undefined ? null : cpuSeconds(pid);
  } catch {
    return null; // It has just ended, or this is no Linux.
  }
}

function readSummary(file: string): Summary | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Summary;
  } catch {
    return null;
  }
}

function keep(
  args: Arguments,
  target: Target,
  generator: Generator,
  outcome: Outcome,
  summary: Summary,
): void {
  const result: LoadResult = {
    scenario: args.scenario,
    question: `${SCENARIOS[args.scenario]}?`,
    at: new Date(outcome.startedAt).toISOString(),
    generator: generator.about,
    target: target.about,
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    settings: args.settings,
    seconds: Math.round(outcome.seconds),
    generatorCores: outcome.cpu === null ? null : Number((outcome.cpu / outcome.seconds).toFixed(2)),
    passed: outcome.code === 0,
    thresholds: thresholdsOf(summary),
    metrics: figuresOf(summary),
    timeline: outcome.recorder.timeline(),
  };
  const base = join(args.out, args.scenario);
  writeFileSync(`${base}.json`, `${JSON.stringify(result, null, 1)}\n`);
  writeFileSync(`${base}.html`, renderReport(result));
  if (args.url === null && args.out === RESULTS) writeResultsPage(args.out);
  const { generatorCores } = result;
  if (generatorCores !== null) say(`load generator: ${generatorCores} of ${cpus().length} cores`);
  const shown = relative(process.cwd(), base);
  const path = shown.startsWith('..') ? base : shown;
  say(`result  ${path}.json`);
  say(`report  ${path}.html`);
}

/** Before the load: a result that cannot be kept was measured for nothing. */
function prepare(out: string): void {
  try {
    mkdirSync(out, { recursive: true });
    accessSync(out, constants.W_OK);
  } catch (err) {
    throw new UsageError(`--out ${out}: ${(err as Error).message}`);
  }
}

function whyNot(code: number): string {
  if (code === INVALID_RESULT) return 'the figures of this run say nothing, see above';
  return `the run did not get to its end (exit code ${code})`;
}

/** @throws UsageError where a local stack does not start. */
async function targetOf(args: Arguments): Promise<Target> {
  if (args.url !== null) return runningAt(args.url, args.key);
  const { startLocalStack } = await import('./local-stack.ts');
  return startLocalStack(args, say);
}

async function main(): Promise<number> {
  const args = readArguments(process.argv.slice(2), process.env);
  if (args === null) {
    say(USAGE);
    return 0;
  }
  prepare(args.out);
  const generator = findGenerator(args);
  const target = await targetOf(args);
  try {
    say(`${args.scenario}: ${SCENARIOS[args.scenario]}? Load by ${generator.about}`);
    const outcome = await generate(args, target, generator);
    const whole = outcome.code === 0 || outcome.code === THRESHOLDS_FAILED;
    if (whole && outcome.summary !== null) keep(args, target, generator, outcome, outcome.summary);
    else process.stderr.write(`load: nothing was kept: ${whyNot(outcome.code)}\n`);
    return outcome.code;
  } finally {
    await target.stop();
  }
}

try {
  process.exitCode = await main();
} catch (err) {
  if (!(err instanceof UsageError)) throw err;
  process.stderr.write(`load: ${err.message}\n`);
  // What was started of a local stack that did not start would keep this process from ending.
  process.exit(2);
}
