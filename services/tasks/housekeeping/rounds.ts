/** Rounds of housekeeping, one at a time, each failure counted and logged. */
import { type Logger, oneAtATime } from '@penstock/runtime';
import type { HousekeepingObserver } from './sweeper.ts';

export interface RoundOptions {
  /** What is looked at: counted when a round fails. */
  readonly what: Parameters<HousekeepingObserver['failed']>[0];
  /** Logged when a round fails. */
  readonly trouble: string;
  readonly watch: Pick<HousekeepingObserver, 'failed'>;
  readonly log: Pick<Logger, 'warn'>;
}

/** @returns does a round, or nothing while one is under way. Never rejects. */
export function rounds(
  { what, trouble, watch, log }: RoundOptions,
  round: () => Promise<void>,
): () => Promise<void> {
  return oneAtATime(round, err => {
    watch.failed(what);
    log.warn({ err }, trouble);
  });
}

/** @returns a function that stops it. */
export function every(ms: number, round: () => Promise<void>): () => void {
  const timer = setInterval(() => void round(), ms);
  return () => clearInterval(timer);
}
