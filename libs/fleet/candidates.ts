/** The workers a request can be bound to, as libs/policy compares them. */
import type { Candidate } from '@penstock/policy';
import type { Clock } from '@penstock/runtime';
import type { Member, Members } from './members.ts';
import { rateOf, waitLeftS } from './quote.ts';

/** Longest that a {@link CandidateSummary} is reused, ms: the interval of heartbeats. */
const SUMMARY_FOR_MS = 1000;
const NOTHING_CACHED: ReadonlyMap<string, number> = new Map();

/** What all candidates of a model have in common. */
export interface CandidateSummary {
  readonly fastestTokensPerSec: number;
  /** Mean share of recent time spent working, 0–1. */
  readonly meanLoad: number;
}

export class Candidates {
  readonly #members: Members;
  readonly #clock: Clock;
  /** By slug. */
  readonly #summaries = new Map<string, CandidateSummary & { readonly at: number }>();

  constructor(members: Members, clock: Clock) {
    this.#members = members;
    this.#clock = clock;
  }

  /**
   * The workers that take work for the model now.
   * @param matched worker → leading tokens of the prompt that its cache is believed to hold.
   */
  all(slug: string, matched: ReadonlyMap<string, number>): Candidate[] {
    return this.#members
      .serving(slug)
      .filter(member => !member.suspect)
      .map(member => this.#candidate(member, matched.get(member.worker) ?? 0));
  }

  /** Those of {@link all} that are believed to hold some of the prompt. */
  owners(slug: string, matched: ReadonlyMap<string, number>): Candidate[] {
    const found: Candidate[] = [];
    for (const [worker, tokens] of matched) {
      const member = this.#members.get(worker);
      if (member !== undefined && !member.suspect && this.#members.serves(member, slug))
        found.push(this.#candidate(member, tokens));
    }
    return found;
  }

  #candidate({ worker, quote, heartbeat }: Member, matchedTokens: number): Candidate {
    return {
      worker,
      waitS: waitLeftS(quote, this.#clock.monotonic()),
      tokensPerSec: rateOf(quote),
      matchedTokens,
      load: heartbeat.load,
    };
  }

  /** Until a worker would begin a new prompt, s; 0 where it is not known. */
  waitAt(worker: string): number {
    const member = this.#members.get(worker);
    return member === undefined ? 0 : waitLeftS(member.quote, this.#clock.monotonic());
  }

  /** Cached for a second: going through a thousand workers would be a large part of the cost of a request. */
  summary(slug: string): CandidateSummary {
    const now = this.#clock.monotonic();
    const known = this.#summaries.get(slug);
    if (known !== undefined && now - known.at < SUMMARY_FOR_MS) return known;
    const all = this.all(slug, NOTHING_CACHED);
    const load = all.reduce((sum, candidate) => sum + candidate.load, 0);
    const fastest = all.reduce((most, candidate) => Math.max(most, candidate.tokensPerSec), 0);
    const fresh = { at: now, fastestTokensPerSec: fastest, meanLoad: load / Math.max(1, all.length) };
    this.#summaries.set(slug, fresh);
    return fresh;
  }

  /** A request was bound to a worker: adds it to the worker's wait until the next quote includes it. */
  expectAt(worker: string, uncachedTokens: number): void {
    const member = this.#members.get(worker);
    if (member === undefined) return;
    const { quote } = member;
    const at = this.#clock.monotonic();
    member.quote = { ...quote, waitS: waitLeftS(quote, at) + uncachedTokens / rateOf(quote), at };
  }
}
