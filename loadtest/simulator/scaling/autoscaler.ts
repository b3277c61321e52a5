/** What an autoscaler sees and says in the simulation, and those of others as they are documented. */

export interface FleetAt {
  /** Second of the simulation. */
  readonly s: number;
  readonly ready: number;
  readonly starting: number;
  /** Requests that run, and that wait. */
  readonly running: number;
  readonly waiting: number;
  /** How long the first of those has been waiting, s. */
  readonly oldestS: number;
  /** Requests that have begun so far. */
  readonly begun: number;
}

export interface Autoscaler {
  /** It is asked every so many seconds. */
  readonly everyS: number;
  /** @returns workers that there should be, those that start included. */
  decide(fleet: FleetAt): number;
}

/** The same for all of them. */
export interface FleetRules {
  readonly slots: number;
  readonly startS: number;
}

/** As many as the busiest minute needs, all the time. */
export function staticWorkers(workers: number): Autoscaler {
  return { everyS: 3600, decide: () => workers };
}

/** Knows what will come, minute by minute. Its workers start at once. */
export function oracle(need: readonly number[]): Autoscaler {
  return { everyS: 60, decide: ({ s }) => need[Math.floor(s / 60)] ?? 0 };
}

/** What a horizontal pod autoscaler adds to a metric: its tolerance, its pace, and five minutes on the way down. */
class HpaBehaviour {
  #wishes: { readonly s: number; readonly workers: number }[] = [];

  apply(s: number, current: number, wish: number): number {
    const within = Math.abs(wish / Math.max(1, current) - 1) <= 0.1;
    const wanted = within ? current : wish;
    this.#wishes = [...this.#wishes.filter(each => s - each.s < 300), { s, workers: wanted }];
    if (wanted >= current) return Math.min(wanted, Math.max(2 * current, current + 4));
    return Math.min(current, Math.max(...this.#wishes.map(({ workers }) => workers)));
  }
}

/** An HPA by the share of slots in use. A full fleet looks the same however much waits. */
export function hpa({ slots }: FleetRules, aim: number): Autoscaler {
  const behaviour = new HpaBehaviour();
  return {
    everyS: 15,
    decide({ s, ready, starting, running }) {
      const use = running / Math.max(1, ready * slots);
      // Pods that are not ready count as if they used nothing where more are wanted, and not at all where fewer are.
      const counted = use > aim ? ready + starting : ready;
      const wish = Math.ceil(((use * ready) / Math.max(1, counted) / aim) * counted);
      return behaviour.apply(s, ready + starting, Math.max(1, wish));
    },
  };
}

/** KEDA by what waits and runs in the queue: a worker for every 75 % of its slots. */
export function kedaLag({ slots }: FleetRules): Autoscaler {
  const behaviour = new HpaBehaviour();
  return {
    everyS: 15,
    decide: ({ s, ready, starting, running, waiting }) =>
      behaviour.apply(s, ready + starting, Math.max(1, Math.ceil((running + waiting) / (0.75 * slots)))),
  };
}

/** Knative's: mean concurrency of a minute, 70 % aimed at; what the last six seconds call for twice over is a panic. */
export function kpa({ slots }: FleetRules): Autoscaler {
  const seen: number[] = [];
  let [panicUntil, panicWorkers] = [0, 0];
  return {
    everyS: 2,
    decide({ s, ready, starting, running, waiting }) {
      seen.push(running + waiting);
      if (seen.length > 30) seen.shift();
      const mean = (values: readonly number[]) =>
        values.reduce((sum, value) => sum + value, 0) / values.length;
      const workersFor = (load: number) => Math.max(1, Math.ceil(load / (0.7 * slots)));
      const [stable, panic] = [workersFor(mean(seen)), workersFor(mean(seen.slice(-3)))];
      if (panic >= 2 * Math.max(1, ready)) panicUntil = s + 60;
      const wish = Math.max(stable, Math.ceil((ready + starting) / 2));
      if (s >= panicUntil) {
        panicWorkers = 0;
        return wish;
      }
      panicWorkers = Math.max(panicWorkers, panic, stable, ready + starting);
      return panicWorkers;
    },
  };
}
