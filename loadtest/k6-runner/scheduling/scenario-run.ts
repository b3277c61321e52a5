/** One scenario while it runs: what all executors need. The executors themselves are in `executors.ts`. */

import type { ScenarioPlan } from '../options/options.ts';
import { describeError, RunFailure } from '../outcome/failure.ts';
import { Pause, yieldToEvents } from '../script/pause.ts';
import type { RunState, ScenarioState } from '../script/run-state.ts';
import type { VirtualUser } from '../script/vu.ts';

/** VUs that are ready for a scenario; more are made when it asks. */
export interface VuSource {
  take(): Promise<VirtualUser>;
  give(vu: VirtualUser): void;
}

/** No scenario may keep timers and sockets waiting longer than this. */
const YIELD_AFTER_MS = 5;
let yieldedAt = 0;

export class ScenarioRun implements ScenarioState {
  readonly run: RunState;
  readonly plan: ScenarioPlan;
  readonly vus: VuSource;
  readonly pause = new Pause();
  readonly active = new Set<VirtualUser>();
  startedAt = 0;
  /** Monotonic ms. */
  origin = 0;
  begun = 0;
  completed = 0;
  /** Ended by the executor's own plan, or by an abort: nothing more is planned. */
  stopping = false;
  /** What has not begun begins no more. */
  aborted = false;
  #setupData: string | undefined;
  progressOf: () => number = () => 0;

  constructor(run: RunState, plan: ScenarioPlan, vus: VuSource) {
    this.run = run;
    this.plan = plan;
    this.vus = vus;
  }

  begin(setupData: string | undefined): void {
    this.#setupData = setupData;
    this.startedAt = Date.now();
    this.origin = performance.now();
  }

  progress(): number {
    return Math.min(1, Math.max(0, this.progressOf()));
  }

  /** Begins nothing more and cuts off what runs. */
  abort(): void {
    this.stopping = true;
    this.aborted = true;
    this.pause.stop();
    for (const vu of this.active) vu.interrupt();
  }

  async takeVu(): Promise<VirtualUser> {
    const vu = await this.vus.take();
    vu.enterScenario(this);
    return vu;
  }

  /**
   * One iteration, with its samples. Never rejects.
   * @param intendedAt monotonic ms at which it should have begun; null where there is no schedule.
   */
  async iterate(vu: VirtualUser, intendedAt: number | null = null): Promise<void> {
    const { run, plan } = this;
    const beganAt = performance.now();
    vu.lateMs = intendedAt === null ? null : Math.max(0, beganAt - intendedAt);
    vu.beginIteration();
    this.active.add(vu);
    run.counters.vusActive++;
    const data: unknown = this.#setupData === undefined ? undefined : JSON.parse(this.#setupData);
    const outcome = await vu.call(vu.function(plan.exec), data);
    const tookMs = performance.now() - beganAt;
    run.counters.vusActive--;
    this.active.delete(vu);
    this.#record(vu, outcome.kind === 'interrupted', tookMs, intendedAt);
    if (outcome.kind === 'failed') this.failed(outcome.error);
    const restMs = run.options.minIterationDurationMs - tookMs;
    if (restMs > 0 && outcome.kind === 'done') await this.pause.until(beganAt + tookMs + restMs);
    await this.breathe();
  }

  /** Gives way to timers and sockets when nobody did for a while. */
  async breathe(): Promise<void> {
    if (performance.now() - yieldedAt < YIELD_AFTER_MS) return;
    await yieldToEvents();
    yieldedAt = performance.now();
  }

  /** An iteration that could not begin. Its latency counts with what is known of it: it waited at least this long. */
  recordDropped(intendedAt: readonly number[], until: number): void {
    const { registry, metrics } = this.run;
    for (const at of intendedAt) {
      registry.emit(metrics.iterationFromSchedule, Math.max(0, until - at), this.#tags());
    }
  }

  /** Iterations for which there was no VU, or no time. */
  countDrop(count = 1): void {
    if (count === 0) return;
    this.run.counters.dropped += count;
    this.run.registry.emit(this.run.metrics.droppedIterations, count, this.#tags());
  }

  #record(vu: VirtualUser, interrupted: boolean, tookMs: number, intendedAt: number | null): void {
    const { registry, metrics, counters } = this.run;
    const tags = vu.tags();
    if (interrupted) {
      counters.interrupted++;
      registry.emit(metrics.interrupted, 1, tags);
    } else {
      this.completed++;
      counters.completed++;
      registry.emit(metrics.iterations, 1, tags);
      registry.emit(metrics.iterationDuration, tookMs, tags);
    }
    if (intendedAt === null || vu.lateMs === null) return;
    registry.emit(metrics.lateStart, vu.lateMs, tags);
    registry.emit(metrics.iterationFromSchedule, vu.lateMs + tookMs, tags);
  }

  #tags() {
    return { ...this.run.options.tags, scenario: this.plan.name, group: '', ...this.plan.tags };
  }

  /** An error of the script: the run goes on, except where it cannot. */
  failed(error: unknown): void {
    if (error instanceof RunFailure) {
      this.run.abort(error);
      return;
    }
    this.run.counters.exceptions++;
    this.run.log.once('ERRO', describeError(error));
  }
}
