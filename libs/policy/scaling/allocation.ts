/** Which pools get the workers that a group needs: the cheapest grow first, the dearest shrink first. */
import type { ScaleLimit } from './decision.ts';
import { carriesOf, type PoolRules } from './rules.ts';
import type { Bounds } from './schedule.ts';

export interface PoolCount {
  readonly pool: PoolRules;
  readonly bounds: Bounds;
  /** Workers that are ready or start. */
  readonly count: number;
}

export interface Allowance {
  /** What the group may cost an hour. */
  readonly budget: number;
  /** Workers that may be added, and taken away, now. */
  readonly up: number;
  readonly down: number;
}

export interface Allocation {
  readonly counts: Readonly<Record<string, number>>;
  readonly limit: ScaleLimit | null;
  /** Whether workers go because of what they cost. */
  readonly isOverBudget: boolean;
}

export class Allocator {
  /** The cheapest first. */
  readonly #pools: readonly PoolCount[];
  readonly #counts: Map<string, number>;
  #up: number;
  #down: number;
  readonly #budget: number;
  #limit: ScaleLimit | null = null;

  constructor(pools: readonly PoolCount[], { budget, up, down }: Allowance) {
    this.#pools = pools;
    this.#counts = new Map(pools.map(({ pool, count }) => [pool.name, count]));
    this.#budget = budget;
    this.#up = up;
    this.#down = down;
  }

  /** @param needed capacity. @param held down to which it may fall. */
  allocate(needed: number, held: number): Allocation {
    for (const { pool, bounds } of this.#pools) {
      while (this.#count(pool) < bounds.least && this.#mayAdd(pool)) this.#add(pool, 1);
      while (this.#count(pool) > bounds.most && this.#down > 0) this.#add(pool, -1);
    }
    if (this.#capacity < needed) this.#grow(needed);
    else this.#shrink(held);
    const isOverBudget = this.#saveMoney();
    return { counts: Object.fromEntries(this.#counts), limit: this.#limit, isOverBudget };
  }

  #grow(needed: number): void {
    for (const { pool, bounds } of this.#pools)
      while (this.#capacity < needed && this.#count(pool) < bounds.most) {
        if (!this.#mayAdd(pool)) break;
        this.#add(pool, 1);
      }
    if (this.#capacity < needed) this.#limit ??= 'most';
  }

  #shrink(held: number): void {
    for (const { pool, bounds } of this.#pools.toReversed())
      while (
        this.#down > 0 &&
        this.#count(pool) > bounds.least &&
        this.#capacity - carriesOf(pool) >= held - 1e-9
      )
        this.#add(pool, -1);
  }

  /** Where the budget was lowered, or prices rose. */
  #saveMoney(): boolean {
    let has = false;
    for (const { pool, bounds } of this.#pools.toReversed())
      while (
        this.#cost > this.#budget + 1e-9 &&
        pool.pricePerHour > 0 &&
        this.#down > 0 &&
        this.#count(pool) > bounds.least
      ) {
        this.#add(pool, -1);
        has = true;
      }
    return has;
  }

  #mayAdd(pool: PoolRules): boolean {
    if (this.#up <= 0) this.#limit ??= 'step';
    else if (this.#cost + pool.pricePerHour > this.#budget + 1e-9) this.#limit ??= 'budget';
    else return true;
    return false;
  }

  #add(pool: PoolRules, n: 1 | -1): void {
    this.#counts.set(pool.name, this.#count(pool) + n);
    if (n > 0) this.#up--;
    else this.#down--;
  }

  #count(pool: PoolRules): number {
    return this.#counts.get(pool.name) ?? 0;
  }

  get #capacity(): number {
    return this.#pools.reduce((sum, { pool }) => sum + this.#count(pool) * carriesOf(pool), 0);
  }

  get #cost(): number {
    return this.#pools.reduce((sum, { pool }) => sum + this.#count(pool) * pool.pricePerHour, 0);
  }
}
