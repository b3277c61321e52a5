/** Whether a failed attempt is tried again, and when a request is given up. */

export type RetryDecision =
  | { readonly kind: 'retry'; readonly delayMs: number; readonly reason: 'attempts_left' | 'worker_lost' }
  | { readonly kind: 'resume'; readonly delayMs: number; readonly reason: 'continuable' }
  | {
      readonly kind: 'give_up';
      readonly reason: 'final_error' | 'attempts_spent' | 'shown_to_client' | 'deadline';
    };

export interface FailedAttempt {
  /** Failed attempts so far, this one included. */
  readonly failures: number;
  /** Whether another attempt can help. */
  readonly retryable: boolean;
  /** The worker vanished rather than reporting a failure. */
  readonly workerLost: boolean;
  /** The client has already seen part of the answer. */
  readonly shown: boolean;
  /** The part shown can be continued by another engine. */
  readonly continuable: boolean;
  readonly deadlineAt: number;
}

/** Attempts a request gets before it is dead-lettered. */
export const MAX_ATTEMPTS = 3;
const BACKOFF_MS = 25;

export function decideRetry(attempt: FailedAttempt, now: number): RetryDecision {
  if (!attempt.retryable) return { kind: 'give_up', reason: 'final_error' };
  if (attempt.failures >= MAX_ATTEMPTS) return { kind: 'give_up', reason: 'attempts_spent' };
  if (now >= attempt.deadlineAt) return { kind: 'give_up', reason: 'deadline' };
  if (attempt.shown && !attempt.continuable) return { kind: 'give_up', reason: 'shown_to_client' };
  // A lost worker is known to be gone, so nothing is gained by waiting; a failing engine gets a moment.
  const delayMs = attempt.workerLost ? 0 : BACKOFF_MS * 2 ** (attempt.failures - 1);
  if (attempt.shown) return { kind: 'resume', delayMs, reason: 'continuable' };
  return { kind: 'retry', delayMs, reason: attempt.workerLost ? 'worker_lost' : 'attempts_left' };
}
