/** What the page Scaler is told, and its words. */

/** Why so many workers, for people. A reason of a later version is shown as it is written. */
export const REASON_WORDS: Readonly<Record<string, string>> = {
  steady: 'as many as are needed',
  load: 'for the load that is expected once they have started',
  backlog: 'what waits would not be done in time',
  panic: 'a request has used half of its patience',
  first_message: 'something waits, and there was no worker',
  bounds: 'fewest, most or the schedule say so',
  holding: 'more than now, but not than lately, are needed',
  load_fell: 'fewer have been enough for a while',
  idle: 'nothing came for long',
  over_budget: 'they cost more than they may',
  stale: 'nobody knows what is needed: nothing is changed',
  driver: 'the driver cannot be relied on: nothing is changed',
};

export const LIMIT_WORDS: Readonly<Record<string, string>> = {
  most: 'more would be needed, and the pools are full',
  budget: 'more would be needed, and the budget is spent',
  step: 'more follow: so many at once would be rash',
};

/** Never the colour alone. */
export const KIND_MARKS = { up: '▲', down: '▼', keep: '=' } as const;

export interface PoolView {
  readonly pool: string;
  readonly ready: number;
  readonly starting: number;
  readonly overdue: number;
  readonly wanted: number;
  readonly draining: readonly string[];
  readonly startS: number;
  readonly pricePerHour: number;
}

export interface DecisionView {
  readonly at: number;
  readonly models: readonly string[];
  readonly kind: keyof typeof KIND_MARKS;
  readonly reason: string;
  readonly limit: string | null;
  readonly before: Readonly<Record<string, number>>;
  readonly workers: Readonly<Record<string, number>>;
  readonly inputs: Readonly<Record<string, number>>;
  readonly trouble?: string;
}

export interface ScalerView {
  /** Null where no scaler has told of itself within the hour. */
  readonly state: {
    readonly by: string;
    readonly driver: string;
    readonly trouble?: string;
    /** Age of what is shown, s. */
    readonly ageS: number;
    readonly pools: readonly PoolView[];
  } | null;
  /** Newest first. */
  readonly decisions: readonly DecisionView[];
}

/** `h100 3→5`, of the pools that change; of all where none does. */
export function changeWords({ before, workers }: Pick<DecisionView, 'before' | 'workers'>): string {
  const pools = Object.entries(workers);
  const changed = pools.filter(([pool, count]) => count !== before[pool]);
  const words = changed.map(([pool, count]) => `${pool} ${before[pool] ?? 0}→${count}`);
  return (words.length > 0 ? words : pools.map(([pool, count]) => `${pool} ${count}`)).join(', ');
}
