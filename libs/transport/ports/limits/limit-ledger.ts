import type { LimitCharge } from '@penstock/policy';

/** What one request takes of the limits of its project. */
export interface LimitTake {
  readonly project: string;
  /** Of the request. */
  readonly id: string;
  /** Slug of its model, whose limits have counters of their own. */
  readonly model: string;
  readonly charges: readonly LimitCharge[];
  /** How long its place among the parallel requests lasts unless it is renewed, ms. */
  readonly leaseMs: number;
}

export interface LimitsTaken {
  /** By the clock of the store, Unix ms. */
  readonly at: number;
  readonly isRefused: boolean;
  /** What is used of each, in the order of the charges: with them, or without where it was refused. */
  readonly used: readonly number[];
}

/** What was taken turned out to be another: by so much more of each charge, less than 0 for less. */
export interface LimitSettlement extends Pick<LimitTake, 'project' | 'id' | 'model' | 'charges'> {
  readonly more: readonly number[];
  /** See {@link LimitsTaken.at}. */
  readonly takenAt: number;
}

/** A place among the parallel requests. */
export type LimitLease = Pick<LimitTake, 'project' | 'id' | 'model' | 'charges'>;

/**
 * Counts for all processes of a region what projects use of their limits. Promises: a request takes all of its charges or none; however many ask at
 * once, no more is taken than the limits that are enforced. A place among the parallel requests ends by itself unless it is renewed.
 */
export interface LimitLedger {
  /** Whether it answers now. */
  readonly connected: boolean;
  take(what: LimitTake): Promise<LimitsTaken>;
  /** The request is over, and its place is free. */
  settle(what: LimitSettlement): Promise<void>;
  renew(leases: readonly LimitLease[], leaseMs: number): Promise<void>;
  /** What is used of each charge. */
  look(what: Pick<LimitTake, 'project' | 'model' | 'charges'>): Promise<number[]>;
}

/** Name of the counter of a limit. @param scope name of a model, `*` for all together. */
export function limitName(limit: string, scope: string): string {
  return `${limit}:${scope}`;
}

/** Where a charge is counted. A rate is kept as a time, which means another amount once the limit is another one: it begins anew then. */
export function counterOf({ kind, name, most }: Pick<LimitCharge, 'kind' | 'name' | 'most'>): string {
  return kind === 'rate' ? `${name}=${most}` : name;
}

/** Whether a charge is of all models together. */
export function isOfAll({ name }: Pick<LimitCharge, 'name'>): boolean {
  return name.endsWith(':*');
}
