/**
 * What a limit lets through. Three kinds, each by one number of what is used:
 *
 * - a **rate**, so much in a period: a bucket that holds a whole period's worth and fills again evenly. It is kept as the time at which it will be full
 *   again (the "theoretical arrival time" of the generic cell rate algorithm, ITU-T I.371 annex A, with a burst of one period), so one number is all
 *   there is to keep, and whoever is refused waits only until there is enough again, not for the end of a window. What is used: how far that time is ahead, ms.
 * - a **budget**, so much in a window of the calendar (or for good): what is used begins at nothing in each window.
 * - **parallel** requests: how many there are.
 *
 * Nothing here knows what time it is but {@link waitMs}, for windows.
 */
export type LimitKind = 'rate' | 'budget' | 'parallel';

export interface LimitCharge {
  readonly kind: LimitKind;
  /** Names the counter within its project. */
  readonly name: string;
  /** The limit. */
  readonly most: number;
  /** Of a rate, or the length of a budget's window, 0 for one that never ends; ms. */
  readonly periodMs: number;
  /** What the request takes of it. */
  readonly cost: number;
  /** Part of a rate that it may use, 0–1: who can wait leaves the rest to who cannot. */
  readonly part: number;
  /** A limit that is not enforced is only counted. */
  readonly isEnforced: boolean;
}

/** Of a sum of many fractions: 10 µs of a rate, or a billionth of a budget. */
const ROUNDING = { rate: 0.01, budget: 1e-9, parallel: 0 } as const;
/** Nobody knows when a request ends. */
const PARALLEL_WAIT_MS = 1000;

/** What a cost is of a rate, ms: more than there ever is where nothing is let through. */
export function costMs({ most, periodMs }: Pick<LimitCharge, 'most' | 'periodMs'>, cost: number): number {
  if (cost === 0) return 0;
  return most === 0 ? 2 * periodMs : (cost * periodMs) / most;
}

export function fitsLimit(charge: LimitCharge, used: number): boolean {
  const { kind, most, periodMs, cost, part } = charge;
  if (kind !== 'rate') return used + cost <= most + ROUNDING[kind];
  const takes = costMs(charge, cost);
  // What is more than the part passes where nothing is used: it would wait for ever.
  const room = used === 0 ? periodMs : periodMs * part;
  return used + takes <= room + ROUNDING.rate;
}

/** What is used with the charge. */
export function usedWith(charge: LimitCharge, used: number): number {
  return used + (charge.kind === 'rate' ? costMs(charge, charge.cost) : charge.cost);
}

/** Whether it is over its limit: one that is not enforced may be. */
export function isOver({ kind, most, periodMs }: LimitCharge, used: number): boolean {
  return used > (kind === 'rate' ? periodMs : most) + ROUNDING[kind];
}

/** What is left of a limit, in whole units. */
export function leftOf({ kind, most, periodMs }: LimitCharge, used: number): number {
  if (kind !== 'rate') return Math.max(0, Math.floor(most - used));
  const left = most * (1 - (used - ROUNDING.rate) / periodMs);
  return Math.max(0, Math.min(most, Math.floor(left)));
}

/** How long until the charge fits, if nobody else takes anything; infinite where it never will. @param now Unix ms. */
export function waitMs(charge: LimitCharge, used: number, now: number): number {
  const { kind, most, periodMs, cost, part } = charge;
  if (kind === 'parallel') return most < cost ? Number.POSITIVE_INFINITY : PARALLEL_WAIT_MS;
  if (kind === 'budget')
    return most < cost || periodMs === 0
      ? Number.POSITIVE_INFINITY
      : windowAt(now, periodMs) + periodMs - now;
  const takes = costMs(charge, cost);
  if (takes > periodMs) return Number.POSITIVE_INFINITY;
  return Math.max(0, takes > periodMs * part ? used : used + takes - periodMs * part);
}

/** When the window of a budget began, Unix ms: whole periods since 1970, so a day is one of UTC. */
export function windowAt(now: number, periodMs: number): number {
  return periodMs === 0 ? 0 : now - (now % periodMs);
}

/**
 * What is used once it is known that a charge was another than thought.
 * @param more than was taken; less than 0 where it was less. @param agoMs since it was taken.
 */
export function usedAfter(charge: LimitCharge, used: number, more: number, agoMs: number): number {
  if (charge.kind !== 'rate') return Math.max(0, used + more);
  // What was taken longer ago has come back by itself.
  if (more < 0 && agoMs > charge.periodMs) return used;
  return Math.max(0, used + costMs(charge, more));
}
