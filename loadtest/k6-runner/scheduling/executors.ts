/** How scenarios hand out iterations: one function for each of k6's executors. */

import type { ScenarioPlan } from '../options/options.ts';
import { constantArrivals, rampingArrivals, rampSteps, totalMs } from '../options/schedule.ts';
import type { VirtualUser } from '../script/vu.ts';
import type { ScenarioRun } from './scenario-run.ts';

type Plan<Executor> = Extract<ScenarioPlan, { executor: Executor }>;

/** Runs a scenario to its end, including the grace for iterations that are still running. */
export async function execute(scenario: ScenarioRun): Promise<void> {
  const { plan } = scenario;
  switch (plan.executor) {
    case 'constant-vus':
      return constantVus(scenario, plan);
    case 'ramping-vus':
      return rampingVus(scenario, plan);
    case 'constant-arrival-rate':
      return arrivals(scenario, plan, constantArrivals(plan.ratePerS, plan.durationMs), plan.durationMs);
    case 'ramping-arrival-rate': {
      const { startRatePerS, stages } = plan;
      return arrivals(scenario, plan, rampingArrivals(startRatePerS, stages), totalMs(stages));
    }
    default:
      return iterations(scenario, plan);
  }
}

async function constantVus(scenario: ScenarioRun, plan: Plan<'constant-vus'>): Promise<void> {
  progressByTime(scenario, plan.durationMs);
  await closedLoop(scenario, plan.vus, plan.durationMs, () => true);
}

async function iterations(
  scenario: ScenarioRun,
  plan: Plan<'shared-iterations' | 'per-vu-iterations'>,
): Promise<void> {
  const shared = plan.executor === 'shared-iterations';
  const total = shared ? plan.iterations : plan.iterations * plan.vus;
  scenario.progressOf = () => scenario.completed / total;
  let left = plan.iterations;
  const aborted = await closedLoop(scenario, plan.vus, plan.maxDurationMs, vu =>
    shared ? left-- > 0 : vu.iterationInScenario + 1 < plan.iterations,
  );
  if (!aborted) scenario.countDrop(total - scenario.begun);
}

/** VUs that begin anew as soon as they are done, until the time is up or nobody may. @returns whether it was aborted. */
async function closedLoop(
  scenario: ScenarioRun,
  vus: number,
  durationMs: number,
  mayBegin: (vu: VirtualUser) => boolean,
): Promise<boolean> {
  const taken = await Promise.all(Array.from({ length: vus }, () => scenario.takeVu()));
  scenario.origin = performance.now();
  const loops = taken.map(async vu => {
    while (!scenario.stopping && mayBegin(vu)) await scenario.iterate(vu);
  });
  const all = Promise.all(loops);
  await Promise.race([all, scenario.pause.until(scenario.origin + durationMs)]);
  const aborted = scenario.stopping;
  await windDown(scenario, all);
  for (const vu of taken) scenario.vus.give(vu);
  return aborted;
}

/** Waits for what runs as long as the plan grants, then cuts it off. */
async function windDown(scenario: ScenarioRun, running: Promise<unknown>): Promise<void> {
  scenario.stopping = true;
  await Promise.race([running, scenario.pause.until(performance.now() + scenario.plan.gracefulStopMs)]);
  scenario.abort();
  await running;
}

interface Seat {
  wanted: boolean;
  vu: VirtualUser | null;
  loop: Promise<void> | null;
  cutOff: NodeJS.Timeout | null;
}

async function rampingVus(scenario: ScenarioRun, plan: Plan<'ramping-vus'>): Promise<void> {
  const durationMs = totalMs(plan.stages);
  progressByTime(scenario, durationMs);
  const seats: Seat[] = [];
  for (const { atMs, vus } of rampSteps(plan.startVUs, plan.stages)) {
    await scenario.pause.until(scenario.origin + atMs);
    if (scenario.stopping) break;
    while (seats.length < vus) seats.push({ wanted: false, vu: null, loop: null, cutOff: null });
    seats.forEach((seat, index) => {
      if (index < vus) occupy(scenario, seat);
      else if (seat.wanted) release(seat, plan.gracefulRampDownMs);
    });
  }
  await scenario.pause.until(scenario.origin + durationMs);
  for (const seat of seats) seat.wanted = false;
  await windDown(scenario, Promise.all(seats.map(seat => seat.loop)));
  for (const { vu } of seats) if (vu !== null) scenario.vus.give(vu);
}

function occupy(scenario: ScenarioRun, seat: Seat): void {
  seat.wanted = true;
  if (seat.cutOff !== null) clearTimeout(seat.cutOff);
  if (seat.loop !== null) return;
  seat.loop = (async () => {
    const vu = seat.vu ?? (await scenario.takeVu());
    seat.vu = vu;
    while (seat.wanted && !scenario.stopping) await scenario.iterate(vu);
    seat.loop = null;
  })();
}

/** It may finish its iteration; when it takes too long it is cut off. */
function release(seat: Seat, graceMs: number): void {
  seat.wanted = false;
  const cutOff = setTimeout(() => seat.vu?.interrupt(), graceMs);
  seat.cutOff = cutOff;
  void seat.loop?.then(() => clearTimeout(cutOff));
}

/** The open model: iterations begin when the schedule says so, whether earlier ones are done or not. */
async function arrivals(
  scenario: ScenarioRun,
  plan: Plan<'constant-arrival-rate' | 'ramping-arrival-rate'>,
  schedule: Iterable<number>,
  durationMs: number,
): Promise<void> {
  progressByTime(scenario, durationMs);
  const launcher = new Launcher(scenario, plan);
  await launcher.prepare();
  scenario.origin = performance.now();
  for (const atMs of schedule) {
    const dueAt = scenario.origin + atMs;
    while (!scenario.stopping && performance.now() < dueAt) await scenario.pause.until(dueAt);
    if (scenario.stopping) break;
    launcher.launch(dueAt);
    await scenario.breathe();
  }
  await scenario.pause.until(scenario.origin + durationMs);
  await windDown(scenario, launcher.running());
  launcher.giveBack();
}

class Launcher {
  readonly #scenario: ScenarioRun;
  readonly #plan: Plan<'constant-arrival-rate' | 'ramping-arrival-rate'>;
  readonly #free: VirtualUser[] = [];
  readonly #all: VirtualUser[] = [];
  readonly #open = new Set<Promise<void>>();
  #making = 0;
  /** When dropped iterations should have begun; they wait for the next free VU to tell how long that took. */
  #dropped: number[] = [];

  constructor(scenario: ScenarioRun, plan: Plan<'constant-arrival-rate' | 'ramping-arrival-rate'>) {
    this.#scenario = scenario;
    this.#plan = plan;
  }

  async prepare(): Promise<void> {
    const make = () => this.#scenario.takeVu();
    this.#all.push(...(await Promise.all(Array.from({ length: this.#plan.preAllocatedVUs }, make))));
    this.#free.push(...this.#all);
  }

  launch(dueAt: number): void {
    const vu = this.#free.pop();
    if (vu !== undefined) {
      this.#track(this.#iterate(vu, dueAt));
    } else if (this.#all.length + this.#making < this.#plan.maxVUs) {
      // Made while the iteration waits: it begins late, and the lateness is measured.
      this.#making++;
      this.#track(
        this.#scenario.takeVu().then(made => {
          this.#making--;
          this.#all.push(made);
          // What was due before the end begins, also where its VU is ready only after it.
          if (!this.#scenario.aborted) return this.#iterate(made, dueAt);
          this.#drop(dueAt);
        }),
      );
    } else {
      this.#drop(dueAt);
    }
  }

  async running(): Promise<void> {
    await Promise.all(this.#open);
  }

  giveBack(): void {
    // No VU became free after these: they waited until the end.
    this.#settleDropped();
    for (const vu of this.#all) this.#scenario.vus.give(vu);
  }

  async #iterate(vu: VirtualUser, dueAt: number): Promise<void> {
    await this.#scenario.iterate(vu, dueAt);
    if (this.#dropped.length > 0) this.#settleDropped();
    this.#free.push(vu);
  }

  #track(work: Promise<void>): void {
    const guarded = work.catch((error: unknown) => this.#scenario.failed(error));
    this.#open.add(guarded);
    void guarded.then(() => this.#open.delete(guarded));
  }

  #drop(dueAt: number): void {
    const { run, plan } = this.#scenario;
    this.#dropped.push(dueAt);
    this.#scenario.countDrop();
    run.log.once(
      'WARN',
      `scenario ${plan.name}: all ${this.#plan.maxVUs} VUs are busy, iterations are dropped`,
    );
  }

  #settleDropped(): void {
    const dropped = this.#dropped;
    this.#dropped = [];
    this.#scenario.recordDropped(dropped, performance.now());
  }
}

function progressByTime(scenario: ScenarioRun, durationMs: number): void {
  scenario.progressOf = () => (performance.now() - scenario.origin) / durationMs;
}
