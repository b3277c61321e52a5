/** What is decided of a group of pools, with what it was decided by. */
import type { LaneSeen } from './staffing.ts';

/**
 * Why so many workers:
 * - `steady`: there are as many as are needed;
 * - `load`: for the load that is expected once they have started;
 * - `backlog`: what waits would not be worked off in time;
 * - `panic`: an interactive request has used half of its patience;
 * - `first_message`: something waits, and there is no worker;
 * - `bounds`: fewest, most or a time of the schedule say so;
 * - `holding`: more than are needed now, but not than were lately;
 * - `load_fell`: fewer have been enough for a while;
 * - `idle`: nothing came for so long that none is kept;
 * - `over_budget`: they cost more than they may;
 * - `stale`: nobody knows what is needed, so nothing is changed;
 * - `driver`: whoever starts and ends workers does not do what it is told, so nothing is changed.
 */
export const SCALE_REASONS = [
  'steady',
  'load',
  'backlog',
  'panic',
  'first_message',
  'bounds',
  'holding',
  'load_fell',
  'idle',
  'over_budget',
  'stale',
  'driver',
] as const;
export type ScaleReason = (typeof SCALE_REASONS)[number];

/** What kept a group from as many as it should have: the pools are full, the budget is, or so many more at once would be rash. */
export const SCALE_LIMITS = ['most', 'budget', 'step'] as const;
export type ScaleLimit = (typeof SCALE_LIMITS)[number];

/** One pool as it is. */
export interface PoolSeen {
  /** Workers that take work. */
  readonly ready: number;
  /** Workers that were ordered and take none yet. */
  readonly starting: number;
  /** Of those that start: ordered so long ago that they are not counted on, and no more are ordered there. Absent for none. */
  readonly overdue?: number;
  /** Interactive requests that run, bound or not. */
  readonly running: number;
}

/** What is known of a group of pools. */
export interface GroupSeen {
  /** By pool. */
  readonly pools: Readonly<Record<string, PoolSeen>>;
  readonly lanes: Readonly<Record<'interactive' | 'background' | 'batch', LaneSeen>>;
  /** Interactive requests that the workers have begun so far; null where they do not say. */
  readonly begun: number | null;
  /** Age of the oldest of these figures, s. */
  readonly ageS: number;
}

/** Capacity and load are in slots of speed 1. */
export interface ScaleInputs {
  readonly load: number;
  readonly expected: number;
  readonly serviceS: number;
  readonly startS: number;
  readonly waiting: number;
  readonly oldestS: number;
  /** That are ready or start. */
  readonly capacity: number;
  readonly forLoad: number;
  readonly forBacklog: number;
  /** The largest need of the last while. */
  readonly held: number;
  /** Cost of an hour, of what is decided. */
  readonly costPerHour: number;
}

export interface ScaleDecision {
  readonly kind: 'up' | 'down' | 'keep';
  readonly reason: ScaleReason;
  readonly limit: ScaleLimit | null;
  /** Workers by pool, those that start included. */
  readonly workers: Readonly<Record<string, number>>;
  readonly inputs: ScaleInputs;
}
