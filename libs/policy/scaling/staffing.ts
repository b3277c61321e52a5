/** How much capacity a load and a backlog need. In slots of speed 1. */

/** Nothing that serves people is planned to be fuller than this. */
const MOST_USE = 0.95;

/**
 * Square-root staffing: the load varies by about its root, so a large fleet needs relatively less headroom than a small one.
 * @param headroom in standard deviations.
 */
export function staffing(load: number, headroom: number): number {
  return load <= 0 ? 0 : Math.max(load + headroom * Math.sqrt(load), load / MOST_USE);
}

export interface LaneSeen {
  /** Requests that wait for their first worker. */
  readonly waiting: number;
  /** How long the first of them has been waiting, s. */
  readonly oldestS: number;
}

/**
 * What must be there beyond the load, so that a lane's backlog is worked off in the time it has left. What is ordered now begins after
 * `startS`; until then, what is there without use works on it. A backlog with hours left costs next to nothing.
 * @param spare capacity beyond the load, that is there or starts already.
 */
export function draining(
  lane: LaneSeen,
  times: { readonly patienceS: number; readonly serviceS: number; readonly startS: number },
  spare: number,
): number {
  const { patienceS, serviceS, startS } = times;
  const leftS = patienceS - lane.oldestS;
  const work = lane.waiting * serviceS - Math.max(0, spare) * Math.min(startS, Math.max(leftS, serviceS));
  if (work <= 0) return 0;
  // No request takes more than one slot.
  return Math.min(lane.waiting, work / Math.max(leftS - startS, serviceS));
}
