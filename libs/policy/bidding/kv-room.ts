/** How much of an engine's KV memory its requests need, as far as a dispatcher can estimate it. */

/** Answer of a request that names no limit, tokens. */
const USUAL_ANSWER = 512;
/** Most limits are far above what is generated: no more than this is reserved. */
const LONGEST_ANSWER = 4096;

/** Tokens to keep free for a request: its prompt, and its answer as far as it is likely to get. */
export function kvNeed(promptTokens: number, maxTokens: number | null): number {
  return promptTokens + Math.min(maxTokens ?? USUAL_ANSWER, LONGEST_ANSWER);
}

/**
 * Tokens not yet spoken for; null if the engine does not report its capacity. The larger of two figures counts as used: the
 * engine's gauge, which is up to a second old and excludes answers to come, and the tokens taken, which exclude other clients.
 */
export function kvFree(capacity: number | null, use: number | null, takenTokens: number): number | null {
  if (capacity === null) return null;
  return Math.max(0, capacity - Math.max((use ?? 0) * capacity, takenTokens));
}

/** Requests of a size that fit. One always fits into an engine that runs nothing: the engine itself refuses one that is too long. */
export function fitting(freeTokens: number | null, running: number, promptTokens: number): number {
  if (freeTokens === null) return Number.POSITIVE_INFINITY;
  return Math.max(running === 0 ? 1 : 0, Math.floor(freeTokens / kvNeed(promptTokens, null)));
}
