/** Work that is done again and again, one round at a time: a round that takes longer than the interval is not joined by another. */
import type { Logger } from '@penstock/runtime';
import type { HousekeepingObserver } from './sweeper.ts';

export interface RoundOptions {
  /** What is looked at: counted when a round fails. */
  readonly what: Parameters<HousekeepingObserver['failed']>[0];
  /** Logged when a round fails. */
  readonly trouble: string;
  readonly watch: Pick<HousekeepingObserver, 'failed'>;
  readonly log: Pick<Logger, 'warn'>;
}

/** @returns does a round, or nothing while one is under way. Never rejects: the next round is the next try. */
export function oneAtATime(
  { what, trouble, watch, log }: RoundOptions,
  round: () => Promise<void>,
): () => Promise<void> {
  let isBusy = false;
  return async () => {
    if (isBusy) return;
    isBusy = true;
    try {
      await round();
    } catch (err) {
      watch.failed(what);
      log.warn({ err }, trouble);
    }
    isBusy = false;
  };
}

/** @returns a function that stops it. */
export function every(ms: number, round: () => Promise<void>): () => void {
  const timer = setInterval(() => void round(), ms);
  return () => clearInterval(timer);
}
