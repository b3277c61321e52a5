/** What an operator says of pools and of how they are to be scaled. */
import type { ScheduleWindow } from './schedule.ts';

/** Workers with the same engine, deployed and scaled together. */
export interface PoolRules {
  readonly name: string;
  /** Names of the models that its workers serve. */
  readonly models: readonly string[];
  /** Requests that a worker runs at once, at least 1. */
  readonly slots: number;
  /** How fast a worker answers beside one of speed 1, above 0. */
  readonly speed: number;
  /** Of a worker, an hour, in any currency; 0 where it is not known. */
  readonly pricePerHour: number;
  /** From the order to a worker that takes work, s: until starts have been seen. */
  readonly startS: number;
  /** Fewest and most workers. */
  readonly least: number;
  readonly most: number;
  /** Quiet time before the last worker goes, s, where `least` is 0. */
  readonly zeroAfterS: number;
  readonly schedule: readonly ScheduleWindow[];
}

export interface ScalingRules {
  /** How long an interactive request may wait for its first token, s. */
  readonly patienceS: number;
  /** How long a request of the lower lanes may wait, s. */
  readonly backgroundS: number;
  readonly batchS: number;
  /** Headroom in standard deviations of the load: 1 to 2. */
  readonly headroom: number;
  /** The largest wish of so long is kept on the way down, s; never less than two starts. */
  readonly holdS: number;
  /** Share of the workers that may go in a fifth of that time, at least one. */
  readonly downShare: number;
  /** Figures that are older are not acted on, s. */
  readonly staleAfterS: number;
  /** Most that all pools may cost an hour; null for no limit. */
  readonly budgetPerHour: number | null;
}

export const DEFAULT_RULES: ScalingRules = {
  patienceS: 5,
  backgroundS: 300,
  batchS: 43_200,
  headroom: 1.5,
  holdS: 300,
  downShare: 0.1,
  staleAfterS: 15,
  budgetPerHour: null,
};

/** What one worker of a pool carries, in slots of speed 1. */
export function carriesOf({ slots, speed }: Pick<PoolRules, 'slots' | 'speed'>): number {
  return slots * speed;
}

/** The cheapest first, by what a slot of speed 1 costs; where prices are equal or unknown, the one named first. */
export function byPrice(pools: readonly PoolRules[]): PoolRules[] {
  return pools.toSorted((a, b) => a.pricePerHour / carriesOf(a) - b.pricePerHour / carriesOf(b));
}

/**
 * Pools that serve the same models are alternatives of one another, and are scaled as one.
 * @throws RangeError where two pools share some of their models only: no number would be right for both.
 */
export function groupPools(pools: readonly PoolRules[]): PoolRules[][] {
  const groups = new Map<string, PoolRules[]>();
  const groupOf = new Map<string, string>();
  for (const pool of pools) {
    const models = [...new Set(pool.models)].sort();
    const key = JSON.stringify(models);
    for (const model of models) {
      const other = groupOf.get(model) ?? key;
      if (other !== key)
        throw new RangeError(
          `pool ${pool.name} shares the model ${model} with pool ${groups.get(other)?.[0]?.name}, but not all models: give both the same models, or none in common`,
        );
      groupOf.set(model, key);
    }
    groups.set(key, [...(groups.get(key) ?? []), pool]);
  }
  return [...groups.values()];
}
