/** The stages of a test run, how one is run, and what is said at the end. */
import { fork, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import {
  failureLine,
  runTests,
  slowest,
  type TestResult,
  type TestRun,
  type TestRunOptions,
} from './test-run.ts';

const ROOT = resolve(import.meta.dirname, '..');
const SLOWEST = 10;

export interface StageOutcome {
  /** One line for each thing that failed: what it was, and how it is run alone. */
  readonly failures: readonly string[];
  /** Tests of the top level; none where the stage runs no tests. */
  readonly tests: readonly TestResult[];
}

export interface Stage {
  readonly name: string;
  run(): Promise<StageOutcome>;
}

export function checks(): Stage[] {
  return [
    command('lint', ['node_modules/@biomejs/biome/bin/biome', 'check', '.']),
    command('types', ['node_modules/typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.json']),
    // The k6 scripts run on k6, not on Node: their globals are other ones.
    command('k6 types', ['node_modules/typescript/bin/tsc', '--noEmit', '-p', 'loadtest/k6/tsconfig.json']),
    // The console's page runs in a browser.
    command('page types', [
      'node_modules/typescript/bin/tsc',
      '--noEmit',
      '-p',
      'services/console/tsconfig.page.json',
    ]),
  ];
}

/** @param args for Node. */
function command(name: string, args: readonly string[]): Stage {
  return {
    name,
    async run() {
      const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
      const code = await new Promise<number | null>(done => child.on('exit', done));
      return { failures: code === 0 ? [] : [`${name}   (alone: npm run check)`], tests: [] };
    },
  };
}

/** A process for each file. */
export function tests(name: string, options: TestRunOptions): Stage {
  return { name, run: async () => outcomeOf(name, await runTests(options)) };
}

/** Files that need no process of their own share as many as there are groups. */
export function groupedTests(name: string, files: readonly string[], groups: number): Stage {
  const dealt = Array.from({ length: groups }, (_, group) => files.filter((_, i) => i % groups === group));
  return {
    name,
    async run() {
      const runs = await Promise.all(dealt.filter(group => group.length > 0).map(runGroup));
      return outcomeOf(name, {
        ok: runs.every(run => run.ok),
        failed: runs.flatMap(run => run.failed),
        topLevel: runs.flatMap(run => run.topLevel),
      });
    },
  };
}

async function runGroup(files: readonly string[]): Promise<TestRun> {
  const child = fork(resolve(import.meta.dirname, 'run-group.ts'), files, {
    ...{ cwd: ROOT, execArgv: [], stdio: ['ignore', 'pipe', 'inherit', 'ipc'] },
  });
  let result: TestRun = { ok: false, failed: [], topLevel: [] };
  child.on('message', message => {
    result = message as TestRun;
  });
  const ended = new Promise<number | null>(done => child.on('exit', done));
  // What groups say is not to be mixed.
  if (child.stdout !== null) process.stdout.write(await buffer(child.stdout));
  return (await ended) === 0 ? result : { ...result, ok: false };
}

function outcomeOf(name: string, { ok, failed, topLevel }: TestRun): StageOutcome {
  const failures = failed.map(failureLine);
  if (!ok && failures.length === 0)
    failures.push(`${name}: no test of this name, or the runner failed without naming one`);
  return { failures, tests: topLevel };
}

/**
 * Runs all stages, also after one failed. The last lines name everything that failed.
 * @param findLeaks looks after the last stage for what must not be left; a line for each thing found.
 * @returns whether every one passed.
 */
export async function runStages(
  stages: readonly Stage[],
  findLeaks: () => readonly string[] = () => [],
): Promise<boolean> {
  const outcomes: (StageOutcome & { name: string; seconds: string })[] = [];
  for (const stage of stages) {
    say(`\n── ${stage.name} ──`);
    const startedAt = performance.now();
    const outcome = await stage.run();
    outcomes.push({ name: stage.name, seconds: secondsOf(performance.now() - startedAt), ...outcome });
  }
  sayTimes(outcomes.flatMap(outcome => outcome.tests));
  for (const { name, failures, seconds } of outcomes)
    say(`${failures.length === 0 ? 'passed' : 'FAILED'}  ${name.padEnd(12)} ${seconds} s`);
  const failures = [...outcomes.flatMap(outcome => outcome.failures), ...findLeaks()];
  for (const failure of failures) say(`FAILED  ${failure}`);
  return failures.length === 0;
}

function sayTimes(results: readonly TestResult[]): void {
  say('');
  if (results.length <= SLOWEST) return;
  say('slowest tests');
  for (const { ms, file, names } of slowest(results, SLOWEST))
    say(`${secondsOf(ms).padStart(6)} s  ${[file, ...names].join(' › ')}`);
  say('');
}

function secondsOf(ms: number): string {
  return (ms / 1000).toFixed(1);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
