/** Runs a workload through a simulated fleet on a virtual clock. The same seed gives the same result. */
import { PROFILES, type Profile } from '@penstock/engine-sim';
import { DEATH_KNOWN_AFTER_MS } from '@penstock/policy';
import type { FleetEvent } from '../workloads/scenarios.ts';
import type { Outcome } from '../workloads/summary.ts';
import { seededRandom, type TraceRequest } from '../workloads/trace.ts';
import type { Dispatcher, DispatcherFactory, SimulatedFleet } from './dispatchers/dispatcher.ts';
import { Agenda, Timer } from './engine/agenda.ts';
import { type EngineHooks, FluidEngine, type Job } from './engine/fluid-engine.ts';

export interface SimulationOptions {
  readonly policy: DispatcherFactory;
  readonly requests: readonly TraceRequest[];
  /** Name in the engines' table. */
  readonly profile: string;
  /** One entry an engine: how many times slower than the profile. */
  readonly fleet: readonly number[];
  readonly events?: readonly FleetEvent[];
  /** Requests a pulling worker holds at once. Default 64. */
  readonly slots?: number;
  readonly seed?: number;
}

/** By request, in the order of the workload. Virtual ms; NaN for a request that never got there. */
export interface SimulationResult {
  /** Until a worker took it. */
  readonly waitMs: Float64Array;
  readonly ttftMs: Float64Array;
  readonly tpotMs: Float64Array;
  readonly cachedTokens: Float64Array;
  readonly worker: Int32Array;
  /** Until it was refused. */
  readonly refusedMs: Float64Array;
  readonly requests: readonly TraceRequest[];
}

class Simulation {
  readonly #agenda = new Agenda();
  readonly #o: SimulationOptions;
  readonly #result: SimulationResult;
  readonly #dispatcher: Dispatcher;
  readonly #engines: FluidEngine[];

  constructor(options: SimulationOptions) {
    this.#o = options;
    const { requests, fleet, seed = 1, slots = 64 } = options;
    const n = requests.length;
    this.#result = {
      waitMs: new Float64Array(n).fill(Number.NaN),
      ttftMs: new Float64Array(n).fill(Number.NaN),
      tpotMs: new Float64Array(n).fill(Number.NaN),
      cachedTokens: new Float64Array(n),
      worker: new Int32Array(n).fill(-1),
      refusedMs: new Float64Array(n).fill(Number.NaN),
      requests,
    };
    const profile = profileOf(options.profile);
    const hooks: EngineHooks = {
      firstToken: (job, worker) => this.#firstToken(job, worker),
      finished: (job, worker) => this.#finished(job, worker),
    };
    this.#engines = fleet.map((slow, i) => new FluidEngine(i, profile, slow, this.#agenda, hooks));
    const simulated: SimulatedFleet = {
      agenda: this.#agenda,
      engines: this.#engines,
      slots,
      random: seededRandom(seed),
      send: (request, index, worker) => this.#send(request, index, worker),
      refuse: ({ atMs }, index) => {
        this.#result.refusedMs[index] = this.#agenda.now - atMs;
      },
    };
    this.#dispatcher = options.policy(simulated);
  }

  run(): SimulationResult {
    for (const event of this.#o.events ?? [])
      this.#agenda.set(new Timer(() => this.#happen(event)), event.atS * 1000);
    const { requests } = this.#o;
    for (let index = 0; index < requests.length; index++) {
      const request = requests[index];
      if (request === undefined) continue;
      this.#agenda.runUntil(request.atMs);
      this.#dispatcher.arrive(request, index);
    }
    // Bids go out of date for ever: the end is when all requests are answered, or nothing happens for long.
    const end = this.#agenda.now + 3_600_000;
    while (this.#open > 0 && this.#agenda.now < end && this.#agenda.runNext());
    return this.#result;
  }

  #open = 0;

  #send(request: TraceRequest, index: number, worker: number): Job {
    const engine = this.#engines[worker];
    if (engine === undefined) throw new RangeError(`no engine ${worker} to send to`);
    this.#open++;
    if (engine.dead) return this.#sendToDead(request, index);
    this.#result.worker[index] = worker;
    this.#result.waitMs[index] = this.#agenda.now - request.atMs;
    const job = engine.submit(request, index);
    return job;
  }

  /** Nobody has noticed yet: the request comes back once somebody does. */
  #sendToDead(request: TraceRequest, index: number): Job {
    const again = new Timer(() => {
      this.#open--;
      this.#dispatcher.arrive(request, index);
    });
    this.#agenda.set(again, this.#agenda.now + DEATH_KNOWN_AFTER_MS);
    return { request, index, cachedTokens: 0, firstAt: 0 };
  }

  #firstToken(job: Job, worker: number): void {
    this.#result.cachedTokens[job.index] = job.cachedTokens;
    this.#result.ttftMs[job.index] = this.#agenda.now - job.request.atMs;
    this.#dispatcher.firstToken?.(job, worker);
  }

  #finished(job: Job, worker: number): void {
    this.#open--;
    const { outputTokens } = job.request;
    this.#result.tpotMs[job.index] =
      outputTokens <= 1 ? 0 : (this.#agenda.now - job.firstAt) / (outputTokens - 1);
    this.#dispatcher.finished?.(job, worker);
  }

  #happen(event: FleetEvent): void {
    const engine = this.#engines[event.engine];
    if (engine === undefined) return;
    if (event.kind === 'slowdown') {
      engine.slowdown = event.factor;
      return;
    }
    const lost = engine.kill();
    this.#dispatcher.died?.(event.engine);
    this.#open -= lost.length;
    this.#agenda.set(
      new Timer(() => {
        this.#dispatcher.lost?.(event.engine);
        for (const job of lost) this.#dispatcher.arrive(job.request, job.index);
      }),
      this.#agenda.now + DEATH_KNOWN_AFTER_MS,
    );
  }
}

/** @throws RangeError that lists the profiles there are. */
export function profileOf(name: string): Profile {
  const profile = PROFILES[name];
  if (profile === undefined)
    throw new RangeError(`no profile ${name}; there are ${Object.keys(PROFILES).join(', ')}`);
  return profile;
}

export function simulate(options: SimulationOptions): SimulationResult {
  return new Simulation(options).run();
}

export function outcomesOf(result: SimulationResult): Outcome[] {
  return result.requests.map((_, i) => ({
    ttftS: (result.ttftMs[i] ?? Number.NaN) / 1000,
    tpotS: (result.tpotMs[i] ?? Number.NaN) / 1000,
    cachedTokens: result.cachedTokens[i] ?? 0,
    worker: String(result.worker[i]),
  }));
}
