/** One scaler: looks, decides, has it done, and tells of it, round after round, while it is the one that decides. */
import {
  GroupScaler,
  type GroupSeen,
  groupPools,
  type PoolRules,
  type PoolSeen,
  type ScaleDecision,
  type ScalingRules,
} from '@penstock/policy';
import type { ScalerEntry, ScalerState } from '@penstock/protocol';
import type { Clock, Logger } from '@penstock/runtime';
import type { ScalerRecords } from '@penstock/transport';
import type { CostMeter } from './cost/cost-meter.ts';
import type { GuardedDriver } from './drivers/guarded-driver.ts';
import { PoolKeeper, type PoolKeeperOptions } from './pool-keeper.ts';
import type { PoolWorker, RegionReader } from './region/region-reader.ts';

export interface ScalerOptions {
  readonly name: string;
  readonly driverName: string;
  readonly pools: readonly PoolRules[];
  readonly rules: ScalingRules;
  readonly region: Pick<RegionReader, 'ageS' | 'lanes' | 'workers'>;
  readonly driver: Pick<GuardedDriver, 'look' | 'order' | 'trouble'>;
  readonly isLeader: () => boolean;
  /** False where decisions are only told. */
  readonly isActing: boolean;
  readonly drain: PoolKeeperOptions['drain'];
  readonly records: Pick<ScalerRecords, 'add' | 'state' | 'tell'>;
  readonly cost: Pick<CostMeter, 'see'>;
  /** Told of every decision. */
  readonly onDecision: (models: readonly string[], decision: ScaleDecision) => void;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

interface Group {
  readonly models: readonly string[];
  readonly scaler: GroupScaler;
  /** What was told of last. */
  told: string;
  decision: ScaleDecision | null;
}

export class Scaler {
  readonly #o: ScalerOptions;
  readonly #groups: readonly Group[];
  readonly #keepers: ReadonlyMap<string, PoolKeeper>;
  /** By pool, as of the last round. */
  #seen = new Map<string, PoolSeen>();
  #isRunning = false;
  #wasLeader = false;

  constructor(options: ScalerOptions) {
    this.#o = options;
    const { pools, rules, drain, clock } = options;
    this.#groups = groupPools(pools).map(group => ({
      models: group[0]?.models ?? [],
      scaler: new GroupScaler(group, rules),
      told: '',
      decision: null,
    }));
    this.#keepers = new Map(
      pools.map(({ name: pool, startS }) => [pool, new PoolKeeper({ pool, startS, drain, clock })]),
    );
  }

  /** What was seen of each pool, with what was decided of it. */
  get pools() {
    return this.#o.pools.map(({ name, pricePerHour }) => {
      const keeper = this.#keepers.get(name);
      const decision = this.#groups.find(({ scaler }) =>
        scaler.pools.some(pool => pool.name === name),
      )?.decision;
      const { ready = 0, starting = 0, overdue = 0 } = this.#seen.get(name) ?? {};
      return {
        ...{ name, pricePerHour, ready, starting, overdue, draining: keeper?.draining.length ?? 0 },
        ...{ wanted: decision?.workers[name] ?? 0, startS: keeper?.times.startS ?? 0 },
      };
    });
  }

  get groups(): readonly { readonly models: readonly string[]; readonly decision: ScaleDecision | null }[] {
    return this.#groups;
  }

  /** Never rejects. */
  async round(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      if (this.#o.isLeader()) await this.#lead();
      else this.#wasLeader = false;
    } catch (err) {
      this.#o.log.warn({ err }, 'this round of scaling failed; workers stay as they are');
    } finally {
      this.#isRunning = false;
    }
  }

  async #lead(): Promise<void> {
    const { region, driver, pools } = this.#o;
    if (!this.#wasLeader) await this.#adopt();
    const workers = region.workers(pools);
    const counts = await driver.look(new Map([...workers].map(([pool, all]) => [pool, all.length])));
    // The round took a while: another may lead by now.
    if (!this.#o.isLeader()) return;
    for (const { name } of pools) {
      const heard = workers.get(name) ?? [];
      const seen = this.#keepers.get(name)?.see(counts?.get(name) ?? heard.length, heard);
      if (seen !== undefined) this.#seen.set(name, seen);
    }
    for (const group of this.#groups) await this.#decide(group, workers, counts !== null);
    this.#meter(workers);
    await this.#tell();
  }

  /** Goes on with what the scaler before was at: who it drained is not to stay drained. */
  async #adopt(): Promise<void> {
    const state = await this.#o.records.state();
    for (const { pool, draining } of state?.pools ?? []) this.#keepers.get(pool)?.adopt(draining);
    this.#wasLeader = true;
    this.#o.log.info({ by: this.#o.name }, 'this scaler decides');
  }

  async #decide(
    group: Group,
    workers: ReadonlyMap<string, readonly PoolWorker[]>,
    isTrusted: boolean,
  ): Promise<void> {
    const { clock, driver, isActing, onDecision } = this.#o;
    const seen = this.#seenOf(group, workers);
    const startS = (pool: string) => this.#keepers.get(pool)?.times.startS ?? 0;
    const decision = isTrusted
      ? group.scaler.decide({ now: clock.now(), seen, startS, budget: this.#budgetFor(group) })
      : group.scaler.keep('driver', seen, startS);
    group.decision = decision;
    onDecision(group.models, decision);
    await this.#record(group, seen, decision);
    if (!isActing || !isTrusted || decision.reason === 'stale') return;
    for (const [pool, wanted] of Object.entries(decision.workers)) {
      const order = this.#keepers.get(pool)?.follow(wanted) ?? null;
      if (order !== null) await driver.order({ pool, ...order, reason: decision.reason });
    }
  }

  #seenOf({ scaler, models }: Group, workers: ReadonlyMap<string, readonly PoolWorker[]>): GroupSeen {
    const all = scaler.pools.flatMap(({ name }) => workers.get(name) ?? []);
    const begun = all.map(worker => worker.begun);
    return {
      pools: Object.fromEntries(
        scaler.pools.map(({ name }) => [name, this.#seen.get(name) ?? { ready: 0, starting: 0, running: 0 }]),
      ),
      lanes: this.#o.region.lanes(models),
      begun: begun.includes(null) ? null : begun.reduce<number>((sum, count) => sum + (count ?? 0), 0),
      ageS: this.#o.region.ageS,
    };
  }

  /** What the other groups leave. */
  #budgetFor(group: Group): number {
    const { budgetPerHour } = this.#o.rules;
    if (budgetPerHour === null) return Number.POSITIVE_INFINITY;
    const others = this.#groups.filter(each => each !== group).flatMap(({ scaler }) => scaler.pools);
    const spent = others.reduce((sum, { name, pricePerHour }) => {
      const { ready = 0, starting = 0 } = this.#seen.get(name) ?? {};
      return sum + pricePerHour * (ready + starting);
    }, 0);
    return budgetPerHour - spent;
  }

  /** What is as it was is not told again. */
  async #record(group: Group, seen: GroupSeen, decision: ScaleDecision): Promise<void> {
    const { clock, log, records, driver } = this.#o;
    const { kind, reason, limit, workers, inputs } = decision;
    const told = JSON.stringify([kind, reason, limit, kind === 'keep' ? null : workers]);
    if (told === group.told) return;
    group.told = told;
    const before = Object.fromEntries(
      Object.entries(seen.pools).map(([pool, { ready, starting }]) => [pool, ready + starting]),
    );
    const entry: ScalerEntry = {
      ...{
        at: clock.now(),
        models: [...group.models],
        kind,
        reason,
        limit,
        before,
        workers,
        inputs: { ...inputs },
      },
      ...(reason === 'driver' && driver.trouble !== null ? { trouble: driver.trouble } : {}),
    };
    log.info({ models: entry.models, kind, reason, limit, before, workers, inputs }, 'scaling decision');
    await records.add(entry).catch(() => {});
  }

  #meter(workers: ReadonlyMap<string, readonly PoolWorker[]>): void {
    for (const pool of this.#o.pools) {
      const seen = this.#seen.get(pool.name);
      const keeper = this.#keepers.get(pool.name);
      if (seen === undefined || keeper === undefined) continue;
      const group = this.#groups.find(({ scaler }) => scaler.pools.includes(pool));
      this.#o.cost.see(pool, {
        ...{ ready: seen.ready, starting: seen.starting, draining: keeper.draining.length },
        running: (workers.get(pool.name) ?? []).reduce((sum, { running }) => sum + running, 0),
        waiting: group?.decision?.inputs.waiting ?? 0,
        tokens: new Map(
          (workers.get(pool.name) ?? []).map(({ process, outputTokens }) => [process, outputTokens]),
        ),
      });
    }
  }

  async #tell(): Promise<void> {
    const { clock, name, driverName, driver, records } = this.#o;
    const state: ScalerState = {
      ...{ at: clock.now(), by: name, driver: driverName },
      ...(driver.trouble === null ? {} : { trouble: driver.trouble }),
      pools: this.pools.map(({ name: pool, ready, starting, overdue, wanted, startS, pricePerHour }) => ({
        ...{ pool, ready, starting, overdue, wanted, startS, pricePerHour },
        draining: this.#keepers.get(pool)?.draining ?? [],
      })),
      groups: this.#groups.flatMap(({ models, decision }) =>
        decision === null ? [] : [{ models: [...models], ...decision, inputs: { ...decision.inputs } }],
      ),
    };
    await records.tell(state).catch(() => {});
  }
}
