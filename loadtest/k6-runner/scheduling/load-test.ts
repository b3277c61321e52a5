/** The life of one load test: read the script, make VUs, setup, scenarios, teardown. */

import { HttpClient } from '../http/http-client.ts';
import { type BuiltIn, MetricRegistry, registerBuiltIn } from '../metrics/metrics.ts';
import { type RunOptions, readOptions, type ScenarioPlan } from '../options/options.ts';
import { totalMs } from '../options/schedule.ts';
import { bindThresholds, judge, type Threshold } from '../options/thresholds.ts';
import { CheckTree } from '../outcome/checks.ts';
import { describeError, EXIT, RunFailure } from '../outcome/failure.ts';
import { type LogWriter, RunLog } from '../outcome/log.ts';
import type { Summary } from '../report/summary.ts';
import type { Progress } from '../report/summary-text.ts';
import { Pause } from '../script/pause.ts';
import type { Counters, RunState } from '../script/run-state.ts';
import { ScriptHost } from '../script/script-host.ts';
import type { VirtualUser } from '../script/vu.ts';
import { execute } from './executors.ts';
import { ScenarioRun } from './scenario-run.ts';
import { VuPool } from './vu-pool.ts';

const TICK_MS = 1000;
const SUMMARY_TIMEOUT_MS = 120_000;

export class LoadTest implements RunState {
  options: RunOptions = readOptions({});
  readonly env: Readonly<Record<string, string>>;
  readonly registry = new MetricRegistry(() => Date.now());
  readonly metrics: BuiltIn = registerBuiltIn(this.registry);
  readonly log: RunLog;
  readonly checks = new CheckTree();
  readonly sharedArrays = new Map<string, readonly unknown[]>();
  readonly directory: URL;
  readonly counters: Counters = {
    completed: 0,
    interrupted: 0,
    dropped: 0,
    vusActive: 0,
    vusInitialized: 0,
    requests: 0,
    failedRequests: 0,
    unreachable: 0,
    unreachableWhy: '',
    exceptions: 0,
  };
  startedAt: number | null = null;
  /** CPU time of this process while load was on. */
  cpuMs = 0;
  thresholds: Threshold[] = [];
  /** Why the run was ended early. */
  failure: RunFailure | null = null;
  /** The threshold that ended it. */
  abortedBy: Threshold | null = null;
  /** Set by `exec.test.fail()`: the run goes on, but fails. */
  mark: RunFailure | null = null;
  readonly #host: ScriptHost;
  readonly #pool: VuPool;
  #http: HttpClient | null = null;
  /** Runs the functions that belong to no scenario: setup, teardown, handleSummary. */
  #first: VirtualUser | null = null;
  #scenarios: ScenarioRun[] = [];
  readonly #pause = new Pause();
  #endedAt = 0;
  readonly #onStray = (error: unknown) => this.#first?.strayError(error);

  constructor(scriptPath: string, env: Readonly<Record<string, string>>, log: LogWriter) {
    this.#host = new ScriptHost(scriptPath);
    this.directory = this.#host.directory;
    this.env = env;
    this.log = new RunLog(log);
    this.#pool = new VuPool(this, this.#host);
    process.on('unhandledRejection', this.#onStray);
  }

  get http(): HttpClient {
    this.#http ??= new HttpClient(this.options);
    return this.#http;
  }

  get elapsedMs(): number {
    if (this.startedAt === null) return 0;
    return (this.#endedAt === 0 ? performance.now() : this.#endedAt) - this.startedAt;
  }

  abort(failure: RunFailure): void {
    this.failure ??= failure;
    this.#pause.stop();
    this.#first?.interrupt();
    for (const scenario of this.#scenarios) scenario.abort();
  }

  fail(failure: RunFailure): void {
    this.mark ??= failure;
  }

  /** Evaluates the script once for its options. @throws RunFailure for whatever is wrong with it. */
  async read(toOptions: (raw: unknown) => RunOptions): Promise<void> {
    const { vu, exports } = await this.#pool.load(0);
    this.#first = vu;
    if (this.failure !== null) throw this.failure;
    this.options = toOptions(exports['options']);
    this.thresholds = bindThresholds(this.options.thresholds, this.registry);
    for (const plan of this.options.scenarios) vu.function(plan.exec);
  }

  /** Everything from the first VU to teardown. Failures are kept in `failure`. */
  async execute(onProgress?: (progress: Progress) => void): Promise<void> {
    try {
      await this.#pool.fill(plannedVus(this.options.scenarios));
      if (this.failure !== null) return;
      const data = await this.#lifecycle('setup', undefined, this.options.setupTimeoutMs, EXIT.setupTimeout);
      if (this.failure === null) await this.#load(data, onProgress);
      await this.#teardown(data);
    } catch (error) {
      if (!(error instanceof RunFailure)) throw error;
      this.failure ??= error;
    }
  }

  /** What the script's `handleSummary` returned; null when it has none. @throws RunFailure when that fails. */
  async handleSummary(summary: Summary): Promise<Record<string, unknown> | null> {
    if (!this.#pool.has('handleSummary')) return null;
    const copy: unknown = JSON.parse(JSON.stringify(summary));
    const result = await this.#call('handleSummary', copy, SUMMARY_TIMEOUT_MS, EXIT.scriptException);
    if (typeof result === 'object' && result !== null) return result as Record<string, unknown>;
    throw new RunFailure(EXIT.scriptException, 'handleSummary() must return an object of texts');
  }

  async close(): Promise<void> {
    process.off('unhandledRejection', this.#onStray);
    this.#host.close();
    await this.#http?.close();
  }

  async #load(data: string | undefined, onProgress?: (progress: Progress) => void): Promise<void> {
    const startedAt = performance.now();
    this.startedAt = startedAt;
    const cpuBefore = process.cpuUsage();
    this.#scenarios = this.options.scenarios.map(plan => new ScenarioRun(this, plan, this.#pool));
    const ticker = this.#startTicker(onProgress);
    await Promise.all(
      this.#scenarios.map(async scenario => {
        await this.#pause.until(startedAt + scenario.plan.startTimeMs);
        if (this.failure !== null) return;
        scenario.begin(data);
        await execute(scenario).catch((error: unknown) => this.abort(asFailure(error)));
      }),
    );
    this.#endedAt = performance.now();
    const used = process.cpuUsage(cpuBefore);
    this.cpuMs = (used.user + used.system) / 1000;
    clearInterval(ticker);
    this.#sampleVus();
    this.#pause.stop();
  }

  #startTicker(onProgress?: (progress: Progress) => void): NodeJS.Timeout {
    let begunBefore = 0;
    let tickedAt = performance.now();
    return setInterval(() => {
      this.#sampleVus();
      this.#judgeAborting();
      const begun = this.#scenarios.reduce((sum, scenario) => sum + scenario.begun, 0);
      const at = performance.now();
      onProgress?.({
        ...this.counters,
        dropped: this.counters.dropped,
        elapsedMs: this.elapsedMs,
        rate: ((begun - begunBefore) * 1000) / (at - tickedAt),
      });
      begunBefore = begun;
      tickedAt = at;
    }, TICK_MS);
  }

  #sampleVus(): void {
    const { registry, metrics, counters, options } = this;
    registry.emit(metrics.vus, counters.vusActive, options.tags);
    registry.emit(metrics.vusMax, counters.vusInitialized, options.tags);
  }

  /** Thresholds with `abortOnFail` are judged while the test runs. */
  #judgeAborting(): void {
    for (const threshold of this.thresholds) {
      if (!threshold.abortOnFail || this.elapsedMs < threshold.delayAbortEvalMs) continue;
      // What has not been measured yet may still be.
      if (threshold.sink.count === 0) continue;
      if (judge(threshold, this.elapsedMs / 1000).ok) continue;
      this.abortedBy ??= threshold;
      const text = `${threshold.selector} ${threshold.source}`;
      this.abort(new RunFailure(EXIT.thresholdsFailed, `threshold crossed, the test was aborted: ${text}`));
      return;
    }
  }

  async #teardown(data: string | undefined): Promise<void> {
    const value: unknown = data === undefined ? undefined : JSON.parse(data);
    await this.#lifecycle('teardown', value, this.options.teardownTimeoutMs, EXIT.teardownTimeout);
  }

  /** Runs an optional function of the script. @returns its result as JSON, which is how VUs get it. */
  async #lifecycle(
    name: string,
    data: unknown,
    timeoutMs: number,
    exitCode: number,
  ): Promise<string | undefined> {
    if (!this.#pool.has(name)) return undefined;
    const result = await this.#call(name, data, timeoutMs, exitCode);
    try {
      return JSON.stringify(result);
    } catch (error) {
      const why = (error as Error).message.split('\n')[0];
      throw new RunFailure(EXIT.scriptException, `${name}() returned what is not JSON: ${why}`);
    }
  }

  async #call(name: string, data: unknown, timeoutMs: number, exitCode: number): Promise<unknown> {
    const vu = this.#first;
    if (vu === null) return undefined;
    const fn = vu.function(name);
    vu.setGroup(this.options.systemTags.has('group') && name !== 'handleSummary' ? `::${name}` : '');
    let result: unknown;
    let timedOut = false;
    const limit = setTimeout(() => {
      timedOut = true;
      vu.interrupt();
    }, timeoutMs);
    const outcome = await vu.call(async () => {
      result = await fn(data);
    }, undefined);
    clearTimeout(limit);
    if (timedOut) throw new RunFailure(exitCode, `${name}() took longer than ${timeoutMs / 1000} s`);
    if (outcome.kind === 'failed') {
      if (outcome.error instanceof RunFailure) throw outcome.error;
      throw new RunFailure(EXIT.scriptException, `${name}() failed: ${describeError(outcome.error)}`);
    }
    return result;
  }
}

function asFailure(error: unknown): RunFailure {
  if (error instanceof RunFailure) return error;
  throw error;
}

/** VUs that are needed at the same moment at most: scenarios that follow one another share theirs. */
export function plannedVus(plans: readonly ScenarioPlan[]): number {
  const overlapping = (at: number) =>
    plans.filter(
      plan => plan.startTimeMs <= at && at < plan.startTimeMs + longestMs(plan) + plan.gracefulStopMs,
    );
  return Math.max(
    ...plans.map(({ startTimeMs }) =>
      overlapping(startTimeMs).reduce((sum, plan) => sum + initialVus(plan), 0),
    ),
  );
}

function longestMs(plan: ScenarioPlan): number {
  if ('stages' in plan) return totalMs(plan.stages);
  return 'durationMs' in plan ? plan.durationMs : plan.maxDurationMs;
}

function initialVus(plan: ScenarioPlan): number {
  if ('vus' in plan) return plan.vus;
  if ('preAllocatedVUs' in plan) return plan.preAllocatedVUs;
  return Math.max(plan.startVUs, ...plan.stages.map(stage => stage.target));
}
