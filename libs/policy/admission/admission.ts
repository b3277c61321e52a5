/** Whether a request is queued, served by another model, or refused at once because its client would leave before the first token. */

/** Longest pause that the SDKs keep to when they are told one, s; beyond it they fall back to their own half a second. */
const MOST_RETRY_AFTER_S = 60;
const LEAST_RETRY_AFTER_S = 1;

/** Where a request could be served. */
export interface Estimated {
  readonly model: string;
  /** Whether a worker takes its work now. */
  readonly isServed: boolean;
  /** Whether others wait for its workers. Where none does there is room, however long it takes by an estimate that may be wrong. */
  readonly isBusy: boolean;
  /** Until the first token, s. */
  readonly estimateS: number;
}

export interface AdmissionOf {
  readonly asked: Estimated;
  /** Models that may stand in, in the order in which they are to be tried. */
  readonly fallbacks: readonly Estimated[];
  /** How long the client waits for the first token, s. */
  readonly patienceS: number;
}

export type Admission =
  /** `no_worker`: its workers are starting, being replaced, or at zero. It is held: how long that takes is not a matter of load. */
  | { readonly kind: 'queue'; readonly reason: 'in_time' | 'no_worker'; readonly estimateS: number }
  | {
      readonly kind: 'stand_in';
      readonly reason: 'sooner';
      readonly model: string;
      readonly estimateS: number;
    }
  | Refusal;

export interface Refusal {
  readonly kind: 'refuse';
  /** `too_late`: by the estimate, when it came. `lost`: it had been queued, and what it waits for takes longer than was estimated. */
  readonly reason: 'too_late' | 'lost';
  readonly estimateS: number;
  /** When to come back, s; null where that is too far away for a client to wait. */
  readonly retryAfterS: number | null;
}

export function decideAdmission({ asked, fallbacks, patienceS }: AdmissionOf): Admission {
  const { estimateS } = asked;
  if (!asked.isServed) return { kind: 'queue', reason: 'no_worker', estimateS };
  const isInTime = (each: Estimated) => !each.isBusy || each.estimateS <= patienceS;
  if (isInTime(asked)) return { kind: 'queue', reason: 'in_time', estimateS };
  const other = fallbacks.find(each => each.isServed && isInTime(each));
  if (other !== undefined)
    return { kind: 'stand_in', reason: 'sooner', model: other.model, estimateS: other.estimateS };
  return refusal('too_late', estimateS, patienceS);
}

/** The pause is until what waits now has been served. Whoever tells it spreads it, so that not all come back together. */
export function refusal(reason: Refusal['reason'], estimateS: number, patienceS: number): Refusal {
  const pauseS = Math.max(LEAST_RETRY_AFTER_S, Math.min(MOST_RETRY_AFTER_S, estimateS));
  const isFar = estimateS - patienceS > MOST_RETRY_AFTER_S;
  return { kind: 'refuse', reason, estimateS, retryAfterS: isFar ? null : pauseS };
}
