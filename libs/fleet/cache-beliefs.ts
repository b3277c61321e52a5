/** What the workers' prefix caches are believed to hold, and how far that belief can be trusted. */
import { learnTrust, mayBeCached } from '@penstock/policy';
import type { Members } from './members.ts';

export class CacheBeliefs {
  readonly #members: Members;
  readonly #trust = new Map<string, number>();

  constructor(members: Members) {
    this.#members = members;
  }

  /** Prompt tokens a worker had put into its cache as of its latest heartbeat or reply; null for an unknown worker. Used as a stamp. */
  cacheTokensOf(worker: string): number | null {
    return this.#members.get(worker)?.quote.cacheTokens ?? null;
  }

  /** Whether what a worker's cache held at a stamp can still be there. */
  mayHold(worker: string, stamp: number): boolean {
    const member = this.#members.get(worker);
    return (
      member !== undefined && mayBeCached(stamp, member.quote.cacheTokens, member.heartbeat.cacheCapacity)
    );
  }

  /** 0–1; 1 for a worker with no observations yet. */
  trustIn(worker: string): number {
    return this.#trust.get(worker) ?? 1;
  }

  /**
   * An engine said how much of a prompt it found in its cache.
   * @param expected share of the prompt that it was believed to hold, 0–1.
   * @param found share that it did hold, 0–1.
   */
  judge(worker: string, expected: number, found: number): void {
    if (this.#members.get(worker) !== undefined)
      this.#trust.set(worker, learnTrust(this.trustIn(worker), expected, found));
  }

  /** The worker was removed; if it comes back, its cache is empty. */
  forget(worker: string): void {
    this.#trust.delete(worker);
  }
}
