/** A fleet under an autoscaler, second by second: what waits, what runs, and what is paid. A simulation: no process runs. */
import { byGpuTime, DEFAULT_RULES, GPU_TIME_STATES, type GpuTimeState, workersByUse } from '@penstock/policy';
import type { Autoscaler, FleetRules } from './autoscaler.ts';
import type { Demand } from './demand.ts';

export interface WeekOptions extends FleetRules {
  readonly demand: Demand;
  readonly scaler: Autoscaler;
  /** Workers at the beginning. */
  readonly begin: number;
  /** Workers that each minute needs, as an oracle knows. */
  readonly need: readonly number[];
  /** A request that waits longer is not in its SLO; one that waits as long as `givesUpS` leaves. */
  readonly patienceS: number;
  readonly givesUpS: number;
}

export interface WeekResult {
  /** Time of workers by what they did, s. */
  readonly workerS: Readonly<Record<GpuTimeState, number>>;
  readonly paidS: number;
  /** Paid beyond, and missing from, what the oracle has. */
  readonly overS: number;
  readonly underS: number;
  readonly requests: number;
  readonly inSlo: number;
  readonly gaveUp: number;
  /** Requests by how many seconds they waited. */
  readonly waits: readonly number[];
  /** Times that the number was changed. */
  readonly changes: number;
}

interface Cohort {
  readonly at: number;
  count: number;
}

class Week {
  readonly #o: WeekOptions;
  #ready: number;
  /** When each will be ready. */
  #starting: number[] = [];
  /** When each will be gone. */
  #draining: number[] = [];
  #queue: Cohort[] = [];
  #waiting = 0;
  #running = 0;
  #begun = 0;
  readonly #waits: number[];
  readonly #workerS = byGpuTime(() => 0);
  #inSlo = 0;
  #gaveUp = 0;
  #overS = 0;
  #underS = 0;
  #changes = 0;

  constructor(options: WeekOptions) {
    this.#o = options;
    this.#ready = options.begin;
    this.#running = Math.min(options.begin * options.slots, options.demand.unbounded[0] ?? 0);
    this.#waits = Array.from({ length: options.givesUpS + 1 }, () => 0);
  }

  run(): WeekResult {
    const { demand, scaler } = this.#o;
    let requests = 0;
    for (let s = 0; s < demand.arrivals.length; s++) {
      const arrived = demand.arrivals[s] ?? 0;
      requests += arrived;
      this.#passTime(s);
      this.#arrive(s, arrived);
      this.#begin(s);
      this.#pay(s);
      if (s % scaler.everyS === 0) this.#scale(s);
    }
    const paidS = Object.values(this.#workerS).reduce((sum, value) => sum + value, 0);
    return {
      ...{ workerS: this.#workerS, paidS, overS: this.#overS, underS: this.#underS, requests },
      ...{ inSlo: this.#inSlo, gaveUp: this.#gaveUp, waits: this.#waits, changes: this.#changes },
    };
  }

  #passTime(s: number): void {
    const there = this.#starting.filter(at => at <= s).length;
    if (there > 0) this.#starting = this.#starting.filter(at => at > s);
    this.#ready += there;
    if (this.#draining.length > 0) this.#draining = this.#draining.filter(at => at > s);
    this.#running *= Math.exp(-1 / this.#o.demand.serviceS);
  }

  #arrive(s: number, count: number): void {
    if (count > 0) this.#queue.push({ at: s, count });
    this.#waiting += count;
    for (
      let first = this.#queue[0];
      first !== undefined && s - first.at >= this.#o.givesUpS;
      first = this.#queue[0]
    ) {
      this.#waits[this.#o.givesUpS] = (this.#waits[this.#o.givesUpS] ?? 0) + first.count;
      this.#gaveUp += first.count;
      this.#waiting -= first.count;
      this.#queue.shift();
    }
  }

  #begin(s: number): void {
    let free = Math.floor(this.#ready * this.#o.slots - this.#running + 1e-6);
    for (let first = this.#queue[0]; first !== undefined && free > 0; first = this.#queue[0]) {
      const taken = Math.min(free, first.count);
      const waitS = s - first.at;
      this.#waits[waitS] = (this.#waits[waitS] ?? 0) + taken;
      if (waitS <= this.#o.patienceS) this.#inSlo += taken;
      free -= taken;
      first.count -= taken;
      this.#waiting -= taken;
      this.#running += taken;
      this.#begun += taken;
      if (first.count === 0) this.#queue.shift();
    }
  }

  #pay(s: number): void {
    const { slots, need } = this.#o;
    const fleet = { ready: this.#ready, starting: this.#starting.length, draining: this.#draining.length };
    const uses = workersByUse(
      { ...fleet, running: Math.min(this.#running, this.#ready * slots), slots },
      DEFAULT_RULES.headroom,
    );
    for (const state of GPU_TIME_STATES) this.#workerS[state] += uses[state];
    const beyond = fleet.ready + fleet.starting + fleet.draining - (need[Math.floor(s / 60)] ?? 0);
    if (beyond > 0) this.#overS += beyond;
    else this.#underS -= beyond;
  }

  #scale(s: number): void {
    const { scaler, startS } = this.#o;
    const before = this.#ready + this.#starting.length;
    const wanted = scaler.decide({
      ...{
        s,
        ready: this.#ready,
        starting: this.#starting.length,
        running: this.#running,
        waiting: this.#waiting,
      },
      ...{ oldestS: this.#queue[0] === undefined ? 0 : s - this.#queue[0].at, begun: this.#begun },
    });
    if (wanted !== before) this.#changes++;
    for (let n = before; n < wanted; n++) {
      if (startS === 0) this.#ready++;
      else this.#starting.push(s + startS);
    }
    for (let n = before; n > wanted; n--) {
      // What has not started yet goes first, and at once; what runs is finished.
      if (this.#starting.pop() !== undefined) continue;
      this.#ready--;
      if (startS > 0) this.#draining.push(s + Math.ceil(3 * this.#o.demand.serviceS));
    }
  }
}

export function simulateWeek(options: WeekOptions): WeekResult {
  return new Week(options).run();
}

/** Workers that each minute needs so that nothing waits. */
export function needOf({ unbounded }: Demand, slots: number): number[] {
  const need: number[] = [];
  for (const [s, running] of unbounded.entries()) {
    const minute = Math.floor(s / 60);
    need[minute] = Math.max(need[minute] ?? 0, Math.ceil(running / slots));
  }
  return need;
}
