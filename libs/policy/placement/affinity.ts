/**
 * Where a request with a known prefix should run. Everything is compared in seconds to the first token: what a
 * worker's cache saves against the longer wait there.
 */
import { LOAD_MEMORY_S } from '../bidding/recent-work.ts';

/** How a model's requests are bound to workers. `prefix` suits dense transformers; mixture-of-experts gains from an even spread. */
export const AFFINITIES = ['prefix', 'session', 'none'] as const;
export type Affinity = (typeof AFFINITIES)[number];

/** A worker of the model, as of its latest message. */
export interface Candidate {
  readonly worker: string;
  /** Wait at the worker before a new prompt's prefill begins, s. */
  readonly waitS: number;
  readonly tokensPerSec: number;
  /** Prompt tokens that its cache is believed to hold. */
  readonly matchedTokens: number;
  /** Share of recent time spent working; see {@link lately}. */
  readonly load: number;
}

export type Placement =
  | {
      readonly kind: 'bound';
      readonly worker: string;
      readonly matchedTokens: number;
      readonly reason: 'cached' | 'session' | 'spares_fast';
    }
  | { readonly kind: 'shared'; readonly reason: 'no_match' | 'owner_busy' | 'owner_loaded' };

/** Found in the simulator, which may vary it; the product uses {@link DEFAULT_AFFINITY}. */
export interface AffinityTuning {
  /**
   * The owner is kept while its first token would take at most this multiple of the best worker's: above 1, because a prompt
   * computed twice also takes room in a second cache.
   */
  readonly keepBonus: number;
  /**
   * A match below this share of the prompt is ignored: the few common words at the beginning of every prompt would
   * otherwise keep all requests from the shared queue.
   */
  readonly leastShare: number;
  /**
   * Bounded load (consistent hashing with bounded loads: Mirrokni, Thorup, Zadimoghaddam 2016), in time worked: beyond this
   * multiple of the fleet's mean an owner has a surplus.
   */
  readonly loadBound: number;
  /**
   * An owner whose surplus is worth this many copies of the prefix gets nothing more of it, and it spreads to a second
   * worker. One copy would pay in the long run; while it is made, whatever comes behind it waits.
   */
  readonly copies: number;
}

export const DEFAULT_AFFINITY: AffinityTuning = {
  keepBonus: 1.5,
  leastShare: 0.1,
  loadBound: 1.2,
  copies: 6,
};

/**
 * Whether a prefix last used when the worker's cache had taken `stamp` tokens can still be there: a cache that evicts the
 * least recently used keeps it until it has taken as many again as it holds.
 * @param capacity tokens; null where the engine does not tell, and only the age of the placement counts.
 */
export function mayBeCached(stamp: number, cacheTokens: number, capacity: number | null): boolean {
  return cacheTokens >= stamp && (capacity === null || cacheTokens - stamp < capacity);
}

/** Seconds to the first token of a prompt at a worker. */
export function timeToFirstToken(candidate: Candidate, promptTokens: number): number {
  const uncached = Math.max(0, promptTokens - candidate.matchedTokens);
  return candidate.waitS + uncached / Math.max(1, candidate.tokensPerSec);
}

/** Whether an owner has lately worked so much more than the others that its prefix should spread. */
function isLoaded(owner: Candidate, meanLoad: number, tuning: AffinityTuning): boolean {
  const surplusS = (owner.load - tuning.loadBound * meanLoad) * LOAD_MEMORY_S;
  return surplusS > (tuning.copies * owner.matchedTokens) / Math.max(1, owner.tokensPerSec);
}

/**
 * The owner that would answer soonest, if that is about as soon as the whole fleet could; else the shared queue.
 * @param candidates all owners, and of the other workers at least the one that would answer soonest.
 * @param meanLoad {@link lately} over all workers of the model.
 */
export function decidePrefix(
  promptTokens: number,
  candidates: readonly Candidate[],
  meanLoad: number,
  tuning: AffinityTuning = DEFAULT_AFFINITY,
): Placement {
  let owner: Candidate | null = null;
  let ownerS = Number.POSITIVE_INFINITY;
  let bestS = Number.POSITIVE_INFINITY;
  let loaded = false;
  for (const candidate of candidates) {
    const owns = candidate.matchedTokens > tuning.leastShare * promptTokens;
    if (owns && isLoaded(candidate, meanLoad, tuning)) {
      loaded = true;
      continue;
    }
    const seconds = timeToFirstToken(candidate, promptTokens);
    if (seconds < bestS) bestS = seconds;
    if (!owns || seconds >= ownerS) continue;
    owner = candidate;
    ownerS = seconds;
  }
  if (owner === null) return { kind: 'shared', reason: loaded ? 'owner_loaded' : 'no_match' };
  if (ownerS > bestS * tuning.keepBonus) return { kind: 'shared', reason: 'owner_busy' };
  return { kind: 'bound', worker: owner.worker, matchedTokens: owner.matchedTokens, reason: 'cached' };
}

/** The workers that hold nothing of a prompt: nearly all of a large fleet. */
export interface Others {
  /** None of them is faster. */
  readonly fastestTokensPerSec: number;
  /** The one that would answer soonest; null where there is none. */
  readonly soonest: () => Candidate | null;
}

/**
 * {@link decidePrefix} for a large fleet: workers that hold nothing are looked up only if an owner is so late that one of
 * them could be preferred, judged by an idle worker of the highest rate. Most owners are soon enough.
 */
export function decideAmongOwners(
  promptTokens: number,
  owners: readonly Candidate[],
  others: Others,
  meanLoad: number,
  tuning: AffinityTuning = DEFAULT_AFFINITY,
): Placement {
  const ideal = { worker: '', waitS: 0, tokensPerSec: others.fastestTokensPerSec, matchedTokens: 0, load: 0 };
  const placement = decidePrefix(promptTokens, [...owners, ideal], meanLoad, tuning);
  if (placement.reason !== 'owner_busy') return placement;
  const soonest = others.soonest();
  return decidePrefix(promptTokens, soonest === null ? owners : [...owners, soonest], meanLoad, tuning);
}

/** A session's worker may be this much later than the best before the session spills. */
const SESSION_BOUND = 1.25;
const SESSION_SLACK_S = 0.25;

/** Rendezvous hashing with bounded load: the highest hash among the workers that are not much later than the best. */
export function decideSession(
  promptTokens: number,
  candidates: readonly Candidate[],
  hashOf: (worker: string) => number,
): Placement {
  let best = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) best = Math.min(best, timeToFirstToken(candidate, promptTokens));
  let chosen: Candidate | null = null;
  let highest = Number.NEGATIVE_INFINITY;
  for (const candidate of candidates) {
    if (timeToFirstToken(candidate, promptTokens) > best * SESSION_BOUND + SESSION_SLACK_S) continue;
    const hash = hashOf(candidate.worker);
    if (hash <= highest) continue;
    highest = hash;
    chosen = candidate;
  }
  if (chosen === null) return { kind: 'shared', reason: 'no_match' };
  return { kind: 'bound', worker: chosen.worker, matchedTokens: chosen.matchedTokens, reason: 'session' };
}
