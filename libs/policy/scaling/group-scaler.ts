/** How many workers the pools that serve the same models should have. Remembers what it saw; asks no clock. */
import { type Allocation, Allocator } from './allocation.ts';
import type { GroupSeen, PoolSeen, ScaleDecision, ScaleInputs, ScaleReason } from './decision.ts';
import { LearnedMargin } from './learned-margin.ts';
import { LoadForecast } from './load-forecast.ts';
import { RollingMost } from './rolling-most.ts';
import { byPrice, carriesOf, type PoolRules, type ScalingRules } from './rules.ts';
import { type Bounds, boundsAt } from './schedule.ts';
import { draining, staffing } from './staffing.ts';

/** Workers that may always be added at once. */
const LEAST_STEP = 4;
/** The part of the time for which workers are kept in which a share of them may go. */
const OF_HOLD = 0.2;
/** Of a slot: more than none. */
const A_LITTLE = 1e-6;

/** What has to be known for one decision. */
export interface ScaleQuestion {
  /** Unix ms, rising. */
  readonly now: number;
  readonly seen: GroupSeen;
  /** Of each pool, as learned, s. */
  readonly startS: (pool: string) => number;
  /** What this group may cost an hour: what others leave of the budget. */
  readonly budget: number;
}

interface Need {
  readonly forLoad: number;
  readonly forBacklog: number;
  readonly isPanic: boolean;
  readonly isIdle: boolean;
}

interface Change {
  readonly at: number;
  readonly workers: number;
}

export class GroupScaler {
  /** The cheapest first. */
  readonly pools: readonly PoolRules[];
  readonly #rules: ScalingRules;
  readonly #forecast: LoadForecast;
  readonly #most = new RollingMost();
  readonly #margin = new LearnedMargin();
  /** What was decided lately, each for as long as it counts against the next. */
  #ups: readonly Change[] = [];
  #downs: readonly Change[] = [];
  #busyAt: number | null = null;
  #begun: number | null = null;

  /** @param pools that serve the same models, at least one. */
  constructor(pools: readonly PoolRules[], rules: ScalingRules, learnsDays = true) {
    this.pools = byPrice(pools);
    this.#rules = rules;
    this.#forecast = new LoadForecast(learnsDays, rules.holdS);
  }

  decide(question: ScaleQuestion): ScaleDecision {
    const { now, seen } = question;
    const startS = this.#startS(question);
    if (seen.ageS > this.#rules.staleAfterS) return this.#keep('stale', seen, startS);
    const running = this.#sum(pool => seenOf(seen, pool).running * pool.speed);
    const { waiting } = seen.lanes.interactive;
    this.#forecast.observe(now, { running, waiting, begun: seen.begun }, startS);
    const need = this.#need(question, startS, running);
    const needed = need.isIdle ? 0 : need.forLoad + need.forBacklog;
    // The last worker stays until the group is idle.
    const held = need.isIdle ? 0 : Math.max(A_LITTLE, this.#most.add(now, needed, this.#holdMs(startS)));
    const allocation = this.#allocate(question, startS, needed, held);
    const inputs = {
      ...this.#inputs(seen, startS),
      forLoad: need.forLoad,
      forBacklog: need.forBacklog,
      held,
    };
    return this.#decided(question, allocation, need, inputs);
  }

  /** What is there stays, whatever would be needed. */
  keep(reason: 'driver', seen: GroupSeen, startS: (pool: string) => number): ScaleDecision {
    return this.#keep(reason, seen, Math.max(...this.pools.map(pool => startS(pool.name))));
  }

  #keep(reason: ScaleReason, seen: GroupSeen, startS: number): ScaleDecision {
    const workers = Object.fromEntries(this.pools.map(pool => [pool.name, countOf(seenOf(seen, pool))]));
    const inputs = { ...this.#inputs(seen, startS), forLoad: 0, forBacklog: 0, held: 0 };
    return {
      kind: 'keep',
      reason,
      limit: null,
      workers,
      inputs: { ...inputs, costPerHour: this.#cost(workers) },
    };
  }

  /** Of the pool that would grow next. */
  #startS({ now, seen, startS }: ScaleQuestion): number {
    const hasRoom = (pool: PoolRules) =>
      overdueOf(seenOf(seen, pool)) === 0 && countOf(seenOf(seen, pool)) < boundsAt(pool, now, 0).most;
    const next = this.pools.find(hasRoom) ?? this.pools[0];
    return startS(next?.name ?? '');
  }

  #need({ now, seen }: ScaleQuestion, startS: number, running: number): Need {
    const { patienceS, backgroundS, batchS, headroom } = this.#rules;
    const { interactive, background, batch } = seen.lanes;
    const isIdle = this.#isIdle(now, seen);
    const { serviceS } = this.#forecast;
    const expected = this.#forecast.ahead(now, startS);
    const isPanic = interactive.waiting > 0 && interactive.oldestS > patienceS / 2;
    const margin = this.#margin.learn(now, isPanic);
    // Never below what runs.
    const forLoad = Math.max(staffing(expected * (1 + margin), headroom), running);
    const capacity = this.#capacity(seen);
    let spare = capacity - expected;
    let forBacklog = 0;
    for (const [lane, laneS] of [
      [interactive, patienceS],
      [background, backgroundS],
      [batch, batchS],
    ] as const) {
      const more = draining(lane, { patienceS: laneS, serviceS, startS }, spare);
      forBacklog += lane === interactive && isPanic ? Math.max(more, lane.waiting) : more;
      spare -= lane.waiting;
    }
    return { forLoad, forBacklog, isPanic, isIdle };
  }

  /** Whether nothing ran, waited or began for as long as the pools may be quiet. */
  #isIdle(now: number, { pools, lanes, begun }: GroupSeen): boolean {
    const runs = Object.values(pools).some(({ running }) => running > 0);
    const waits = Object.values(lanes).some(({ waiting }) => waiting > 0);
    const began = begun !== null && this.#begun !== null && begun > this.#begun;
    this.#begun = begun;
    if (runs || waits || began) this.#busyAt = now;
    this.#busyAt ??= now;
    const zeroAfterS = Math.max(...this.pools.map(pool => pool.zeroAfterS));
    return now - this.#busyAt >= 1000 * zeroAfterS;
  }

  #allocate({ now, seen, budget }: ScaleQuestion, startS: number, needed: number, held: number): Allocation {
    const counts = this.pools.map(pool => ({
      pool,
      bounds: boundsOf(pool, seenOf(seen, pool), now, startS),
      count: countOf(seenOf(seen, pool)),
    }));
    const overdue = this.#sum(pool => overdueOf(seenOf(seen, pool)) * carriesOf(pool));
    const counted = counts.reduce((sum, { count }) => sum + count, 0);
    const stepMs = Math.max(5000, (1000 * startS) / 2);
    this.#ups = this.#ups.filter(({ at }) => now - at < stepMs);
    this.#downs = this.#downs.filter(({ at }) => now - at < OF_HOLD * 1000 * this.#rules.holdS);
    const lately = (changes: readonly Change[]) => changes.reduce((sum, { workers }) => sum + workers, 0);
    const up = lately(this.#ups);
    const down = lately(this.#downs);
    return new Allocator(counts, {
      budget,
      // At most twice as many as there were when the step began.
      up: Math.max(LEAST_STEP, counted - up) - up,
      down: Math.max(1, Math.floor(this.#rules.downShare * (counted + down))) - down,
    }).allocate(needed + overdue, held + overdue);
  }

  #decided(
    { now, seen }: ScaleQuestion,
    { counts, limit, isOverBudget }: Allocation,
    need: Need,
    inputs: Omit<ScaleInputs, 'costPerHour'>,
  ): ScaleDecision {
    const before = this.#sum(pool => countOf(seenOf(seen, pool)));
    const after = this.#sum(pool => counts[pool.name] ?? 0);
    if (after > before) this.#ups = [...this.#ups, { at: now, workers: after - before }];
    if (after < before) this.#downs = [...this.#downs, { at: now, workers: before - after }];
    const isChanged = this.pools.some(pool => (counts[pool.name] ?? 0) !== countOf(seenOf(seen, pool)));
    const kind = after > before ? 'up' : after < before ? 'down' : isChanged ? 'up' : 'keep';
    const last = this.pools.findLast(pool => (counts[pool.name] ?? 0) > 0);
    const isSpare = last !== undefined && inputs.capacity - carriesOf(last) >= need.forLoad + need.forBacklog;
    const reason = reasonOf(kind, need, inputs, { before, isOverBudget, isSpare });
    return { kind, reason, limit, workers: counts, inputs: { ...inputs, costPerHour: this.#cost(counts) } };
  }

  #inputs(
    seen: GroupSeen,
    startS: number,
  ): Omit<ScaleInputs, 'costPerHour' | 'forBacklog' | 'forLoad' | 'held'> {
    const lanes = Object.values(seen.lanes);
    return {
      load: this.#forecast.slow,
      expected: this.#forecast.expected,
      serviceS: this.#forecast.serviceS,
      startS,
      waiting: lanes.reduce((sum, { waiting }) => sum + waiting, 0),
      oldestS: seen.lanes.interactive.oldestS,
      capacity: this.#capacity(seen),
    };
  }

  /** What is overdue is not counted on. */
  #capacity(seen: GroupSeen): number {
    return this.#sum(pool => {
      const of = seenOf(seen, pool);
      return (countOf(of) - overdueOf(of)) * carriesOf(pool);
    });
  }

  #holdMs(startS: number): number {
    return 1000 * Math.max(this.#rules.holdS, 2 * startS);
  }

  #cost(workers: Readonly<Record<string, number>>): number {
    return this.#sum(pool => (workers[pool.name] ?? 0) * pool.pricePerHour);
  }

  #sum(of: (pool: PoolRules) => number): number {
    return this.pools.reduce((sum, pool) => sum + of(pool), 0);
  }
}

const NO_WORKERS: PoolSeen = { ready: 0, starting: 0, running: 0 };

function seenOf({ pools }: GroupSeen, { name }: PoolRules): PoolSeen {
  return pools[name] ?? NO_WORKERS;
}

function overdueOf({ overdue = 0 }: PoolSeen): number {
  return overdue;
}

/** Where workers do not come that were ordered long ago, more would not come either. */
function boundsOf(pool: PoolRules, seen: PoolSeen, now: number, startS: number): Bounds {
  const { least, most } = boundsAt(pool, now, startS);
  const usable = overdueOf(seen) > 0 ? Math.min(most, countOf(seen)) : most;
  return { least: Math.min(least, usable), most: usable };
}

function countOf({ ready, starting }: PoolSeen): number {
  return ready + starting;
}

function reasonOf(
  kind: ScaleDecision['kind'],
  { isPanic, isIdle, forLoad }: Need,
  { capacity, waiting, held, forBacklog }: Omit<ScaleInputs, 'costPerHour'>,
  about: { readonly before: number; readonly isOverBudget: boolean; readonly isSpare: boolean },
): ScaleReason {
  if (about.isOverBudget) return 'over_budget';
  if (kind === 'down') {
    if (isIdle) return 'idle';
    return capacity > held ? 'load_fell' : 'bounds';
  }
  if (kind === 'keep') return about.isSpare ? 'holding' : 'steady';
  if (capacity >= forLoad + forBacklog) return 'bounds';
  if (about.before === 0 && waiting > 0) return 'first_message';
  if (isPanic) return 'panic';
  return capacity >= forLoad ? 'backlog' : 'load';
}
