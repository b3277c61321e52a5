/** One load test from beginning to end: `run(script, request)`. The command line is in `main.ts`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { type LoadOverrides, readOptions } from './options/options.ts';
import { judge, type Threshold } from './options/thresholds.ts';
import { EXIT, RunFailure } from './outcome/failure.ts';
import type { LogWriter } from './outcome/log.ts';
import { JsonOutput } from './report/json-output.ts';
import { type GeneratorSummary, type Summary, summarizeMetrics } from './report/summary.ts';
import type { Progress } from './report/summary-text.ts';
import { generatorLine, renderSummary } from './report/summary-text.ts';
import { LoadTest } from './scheduling/load-test.ts';

export interface RunRequest {
  /** `__ENV` of the script. */
  readonly env?: Readonly<Record<string, string>>;
  readonly load?: LoadOverrides;
  /** File for all samples, one line of JSON each. */
  readonly jsonOutput?: string | undefined;
  /** File for the summary's data. */
  readonly summaryExport?: string | undefined;
  /** The 99th percentile of late starts above which the result is not valid. */
  readonly maxLateMs?: number;
  readonly stdout?: LogWriter;
  /** Log lines. */
  readonly stderr?: LogWriter;
  /** Called once a second. */
  readonly onProgress?: (progress: Progress) => void;
  /** Ends the run early, with teardown and summary. */
  readonly signal?: AbortSignal;
}

export interface RunResult {
  readonly exitCode: number;
  /** Why it is not 0, one line each. */
  readonly problems: readonly string[];
  /** Null when the run ended before it could be measured. */
  readonly summary: Summary | null;
}

const DEFAULT_MAX_LATE_MS = 200;
const NOWHERE: LogWriter = { write: () => {} };

/** Runs a k6 script. Rejects only for defects of the runner itself. */
export async function run(scriptPath: string, request: RunRequest = {}): Promise<RunResult> {
  let test: LoadTest | null = null;
  try {
    test = new LoadTest(scriptPath, request.env ?? {}, request.stderr ?? NOWHERE);
    await test.read(exports => readOptions(exports, request.load));
    return await runRead(test, request);
  } catch (error) {
    if (error instanceof RunFailure) {
      return { exitCode: error.exitCode, problems: [error.message], summary: null };
    }
    throw error;
  } finally {
    await test?.close();
  }
}

async function runRead(test: LoadTest, request: RunRequest): Promise<RunResult> {
  const output =
    request.jsonOutput === undefined ? null : new JsonOutput(request.jsonOutput, test.options.thresholds);
  if (output !== null) test.registry.setOutput(output);
  const interrupt = () => test.abort(new RunFailure(EXIT.externalAbort, 'the run was interrupted'));
  request.signal?.addEventListener('abort', interrupt);
  await test.execute(request.onProgress);
  request.signal?.removeEventListener('abort', interrupt);
  const summary = summarize(test);
  // Where no load began, an empty table would only hide the line that says why.
  if (test.startedAt !== null) await report(test, summary, request);
  if (output !== null) await output.close().catch(error => test.fail(outputFailed(error)));
  const problems = problemsOf(test, summary, request.maxLateMs ?? DEFAULT_MAX_LATE_MS);
  return {
    exitCode: problems[0]?.exitCode ?? EXIT.ok,
    problems: problems.map(problem => problem.message),
    summary,
  };
}

function outputFailed(error: unknown): RunFailure {
  return new RunFailure(EXIT.invalidConfig, `the samples could not be written: ${(error as Error).message}`);
}

function summarize(test: LoadTest): Summary {
  const { options, registry, metrics, counters } = test;
  const late = metrics.lateStart.sink;
  const quantile = 'quantile' in late ? late.quantile(0.99) : 0;
  const generator: GeneratorSummary = {
    cpu: test.cpuMs / Math.max(1, test.elapsedMs),
    cores: cpus().length,
    lateStartP99Ms: quantile,
    lateStartMaxMs: 'max' in late && late.count > 0 ? late.max : 0,
    iterationsInterrupted: counters.interrupted,
    scriptExceptions: counters.exceptions,
    residentMb: process.memoryUsage.rss() / 1e6,
  };
  return {
    root_group: test.checks.root,
    options: {
      summaryTrendStats: options.summaryTrendStats,
      summaryTimeUnit: options.summaryTimeUnit,
      noColor: true,
    },
    state: {
      isStdOutTTY: process.stdout.isTTY === true,
      isStdErrTTY: process.stderr.isTTY === true,
      testRunDurationMs: test.elapsedMs,
    },
    metrics: summarizeMetrics(registry, test.thresholds, options.summaryTrendStats, test.elapsedMs / 1000),
    generator,
  };
}

/** Prints and writes the result: through the script's `handleSummary` where it has one. */
async function report(test: LoadTest, summary: Summary, request: RunRequest): Promise<void> {
  const stdout = request.stdout ?? NOWHERE;
  for (const [text, times] of test.log.repeated()) test.log.line('WARN', `${times} times: ${text}`);
  const texts = await ownSummary(test, summary);
  if (texts === null) stdout.write(renderSummary(summary, test.thresholds));
  for (const [target, text] of Object.entries(texts ?? {})) {
    if (target === 'stdout') stdout.write(String(text));
    else if (target === 'stderr') (request.stderr ?? NOWHERE).write(String(text));
    else write(test, target, text instanceof ArrayBuffer ? new Uint8Array(text) : String(text));
  }
  if (texts !== null) test.log.line('INFO', `generator: ${generatorLine(summary.generator)}`);
  if (request.summaryExport !== undefined) {
    write(test, request.summaryExport, JSON.stringify(summary, null, 2));
  }
}

/** What the script's `handleSummary` made of it; null where it has none, or fails: then ours is better than none. */
async function ownSummary(test: LoadTest, summary: Summary): Promise<Record<string, unknown> | null> {
  try {
    return await test.handleSummary(summary);
  } catch (error) {
    if (!(error instanceof RunFailure)) throw error;
    test.fail(error);
    return null;
  }
}

function write(test: LoadTest, path: string, content: string | Uint8Array): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  } catch (error) {
    test.fail(new RunFailure(EXIT.invalidConfig, `cannot write ${path}: ${(error as Error).message}`));
  }
}

/** The first decides the exit code. */
function problemsOf(test: LoadTest, summary: Summary, maxLateMs: number): RunFailure[] {
  const problems: RunFailure[] = [];
  if (test.failure !== null) problems.push(test.failure);
  if (test.startedAt === null) return problems;
  const { requests, unreachable, unreachableWhy } = test.counters;
  if (requests > 0 && requests === unreachable) {
    problems.push(new RunFailure(EXIT.invalidResult, `no request got through: ${unreachableWhy}`));
  }
  const { completed, exceptions } = test.counters;
  if (completed > 0 && exceptions >= completed) {
    problems.push(new RunFailure(EXIT.scriptException, `every iteration failed: ${test.log.first('ERRO')}`));
  }
  const seconds = test.elapsedMs / 1000;
  const failed = test.thresholds.filter(
    threshold => threshold !== test.abortedBy && !judge(threshold, seconds).ok,
  );
  if (failed.length > 0) problems.push(thresholdsFailed(failed));
  if (test.mark !== null) problems.push(test.mark);
  const { lateStartP99Ms, lateStartMaxMs } = summary.generator;
  if (lateStartP99Ms > maxLateMs) {
    problems.push(
      new RunFailure(
        EXIT.invalidResult,
        `the generator was late: starts p(99) ${lateStartP99Ms.toFixed(0)} ms, max ${lateStartMaxMs.toFixed(0)} ms after ` +
          `their schedule (allowed: p(99) ${maxLateMs} ms); lower the rate or give it more CPU`,
      ),
    );
  }
  return problems;
}

export function thresholdsFailed(failed: readonly Threshold[]): RunFailure {
  const texts = failed.map(({ selector, source }) => `${selector} ${source}`);
  return new RunFailure(EXIT.thresholdsFailed, `thresholds crossed: ${texts.join('; ')}`);
}
