/**
 * How far beliefs about a worker's cache can be relied on. Placements say what a cache should hold; the engine's
 * `cached_tokens` says what it held. An engine without a prefix cache, or with one that others fill, must not draw prompts.
 */

/** Weight of one answer. */
const LEARN = 0.3;
/** At or above this a belief counts in full: blocks and estimated prompt lengths never quite match the engine's. */
const WHOLE = 0.8;

/**
 * After an answer.
 * @param trust 0–1; begins at 1.
 * @param expected share of the prompt that the cache was believed to hold, 0–1.
 * @param found share that the engine found there, 0–1.
 */
export function learnTrust(trust: number, expected: number, found: number): number {
  if (!(expected > 0)) return trust;
  return trust + LEARN * (Math.min(1, found / expected) - trust);
}

/** How many of the tokens that a cache is believed to hold count. */
export function trustedTokens(tokens: number, trust: number): number {
  return trust >= WHOLE ? tokens : Math.round(tokens * trust);
}
