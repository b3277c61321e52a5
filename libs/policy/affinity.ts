/**
 * Where a request with a known prefix should run. One currency, seconds to the first token: what a worker's cache saves is
 * weighed against the longer wait there.
 */

/** How a model's requests are bound to workers. `prefix` suits dense transformers; mixture-of-experts gains from an even spread. */
export const AFFINITIES = ['prefix', 'session', 'none'] as const;
export type Affinity = (typeof AFFINITIES)[number];

/** A worker of the model, as last heard of. */
export interface Candidate {
  readonly worker: string;
  /** Wait at the worker before a new prompt's prefill begins, s. */
  readonly waitS: number;
  readonly tokensPerSec: number;
  /** Prompt tokens that its cache is believed to hold. */
  readonly matchedTokens: number;
}

export type Placement =
  | {
      readonly kind: 'sticky';
      readonly worker: string;
      readonly matchedTokens: number;
      readonly reason: 'cached' | 'session';
    }
  | { readonly kind: 'shared'; readonly reason: 'no_match' | 'owner_busy' };

/**
 * A hit must save this many seconds for each second of first-token time it costs over the best worker: above 1, because a
 * prompt computed twice also takes room in a second cache.
 */
const KEEP_BONUS = 2;

/**
 * A match below this share of the prompt binds nothing: the few common words at the beginning of every prompt would
 * otherwise keep all requests from the shared queue.
 */
const LEAST_SHARE = 0.1;

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

/** The owner that would answer soonest, if that is about as soon as the whole fleet could; else the shared queue. */
export function decidePrefix(
  promptTokens: number,
  candidates: readonly Candidate[],
  keepBonus = KEEP_BONUS,
  leastShare = LEAST_SHARE,
): Placement {
  let owner: Candidate | null = null;
  let ownerS = Number.POSITIVE_INFINITY;
  let bestS = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const seconds = timeToFirstToken(candidate, promptTokens);
    if (seconds < bestS) bestS = seconds;
    if (candidate.matchedTokens > leastShare * promptTokens && seconds < ownerS) {
      owner = candidate;
      ownerS = seconds;
    }
  }
  if (owner === null) return { kind: 'shared', reason: 'no_match' };
  if (ownerS > bestS * keepBonus) return { kind: 'shared', reason: 'owner_busy' };
  return { kind: 'sticky', worker: owner.worker, matchedTokens: owner.matchedTokens, reason: 'cached' };
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
  return { kind: 'sticky', worker: chosen.worker, matchedTokens: chosen.matchedTokens, reason: 'session' };
}
