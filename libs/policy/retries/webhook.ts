/** When a webhook is retried, when its endpoint is paused, and when an event is given up. */

const S = 1000;
const M = 60 * S;
const H = 60 * M;
/** Pauses before the second and every further attempt, ms: 75 h 35 min in all, after the schedule Standard Webhooks suggests. */
const WEBHOOK_PAUSES_MS: readonly number[] = [
  5 * S,
  5 * M,
  30 * M,
  2 * H,
  5 * H,
  10 * H,
  14 * H,
  20 * H,
  24 * H,
];
export const WEBHOOK_ATTEMPTS = WEBHOOK_PAUSES_MS.length + 1;
/** Pauses are up to so much longer, so that what failed together does not come back together. */
const JITTER = 0.1;
/** A longer `Retry-After` is cut to this, the longest pause. */
const LONGEST_RETRY_AFTER_MS = 24 * H;
/** An event is given up at this age even if pauses of its endpoint prevented attempts. */
const LONGEST_LIFE_MS = 96 * H;
/** Pause for an endpoint that reports overload without a `Retry-After`. */
const OVERLOAD_PAUSE_MS = 30 * S;
const OVERLOADED: readonly number[] = [429, 502, 504];
/** Failures in a row after which an endpoint gets single attempts only. */
export const WEBHOOK_BREAKER_FAILURES = 10;
const BREAKER_PAUSE_MS = { first: 5 * S, most: 5 * M } as const;

export interface WebhookAttempt {
  /** 1 for the first. */
  readonly attempt: number;
  /** Since the event, ms. */
  readonly ageMs: number;
  /** HTTP status; null when there was no answer. */
  readonly status: number | null;
  /** `Retry-After`, ms from now. */
  readonly retryAfterMs: number | null;
}

export type WebhookDecision =
  | { readonly kind: 'delivered'; readonly reason: 'accepted' }
  | {
      readonly kind: 'retry';
      readonly reason: 'no_answer' | 'redirected' | 'refused' | 'overloaded';
      readonly delayMs: number;
      /** How long the whole endpoint is paused, ms. */
      readonly pauseMs: number;
    }
  | { readonly kind: 'give_up'; readonly reason: 'gone' | 'attempts_spent' | 'too_old' };

/**
 * @param scale shrinks or stretches every pause of ours; 1 in production.
 * @param rand from 0 to 1.
 */
export function decideWebhook(tried: WebhookAttempt, scale: number, rand: number): WebhookDecision {
  const { attempt, status } = tried;
  if (status !== null && status >= 200 && status < 300) return { kind: 'delivered', reason: 'accepted' };
  if (status === 410) return { kind: 'give_up', reason: 'gone' };
  const pause = WEBHOOK_PAUSES_MS[attempt - 1];
  if (pause === undefined) return { kind: 'give_up', reason: 'attempts_spent' };
  if (tried.ageMs > LONGEST_LIFE_MS * scale) return { kind: 'give_up', reason: 'too_old' };
  const asked = Math.min(LONGEST_RETRY_AFTER_MS, tried.retryAfterMs ?? 0);
  const overloaded = OVERLOADED.includes(status ?? 0);
  const rest = overloaded && asked === 0 ? OVERLOAD_PAUSE_MS * scale : asked;
  const delayMs = Math.max(pause * scale, rest) * (1 + JITTER * rand);
  return { kind: 'retry', reason: reasonOf(status, overloaded), delayMs: Math.ceil(delayMs), pauseMs: rest };
}

function reasonOf(status: number | null, overloaded: boolean) {
  if (status === null) return 'no_answer';
  if (overloaded) return 'overloaded';
  return status >= 300 && status < 400 ? 'redirected' : 'refused';
}

/** How long an endpoint is paused after this many failures in a row, ms; then a single attempt probes it. */
export function breakerPauseMs(failures: number, scale: number): number {
  if (failures < WEBHOOK_BREAKER_FAILURES) return 0;
  const doubled = BREAKER_PAUSE_MS.first * 2 ** (failures - WEBHOOK_BREAKER_FAILURES);
  return Math.ceil(Math.min(BREAKER_PAUSE_MS.most, doubled) * scale);
}

/** Longest delay of a turn, ms: the endpoint may have become faster by then. */
const LONGEST_DELAY_MS = 30 * S;

/**
 * When an attempt gets its turn at an endpoint that has as many under way as it may: turns are as far apart as attempts end.
 * @param lastTurnAt the turn given out before, or 0. @returns when to try again, in the unit of `now`.
 */
export function nextTurnAt(lastTurnAt: number, now: number, attemptMs: number, concurrency: number): number {
  const next = Math.max(now, lastTurnAt) + Math.max(1, attemptMs / concurrency);
  return Math.min(next, now + LONGEST_DELAY_MS);
}
