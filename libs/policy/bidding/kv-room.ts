/** How much of an engine's KV memory its requests need, as far as a dispatcher can know. */

/** Answer of a request that names no limit, tokens. */
const USUAL_ANSWER = 512;
/** Limits are mostly set far above what is written: beyond this they reserve nothing. */
const LONGEST_ANSWER = 4096;

/** Tokens to keep free for a request: its prompt, and its answer as far as it is likely to get. */
export function kvNeed(promptTokens: number, maxTokens: number | null): number {
  return promptTokens + Math.min(maxTokens ?? USUAL_ANSWER, LONGEST_ANSWER);
}

/**
 * Tokens not yet spoken for; null where the engine does not tell its capacity. The engine's gauge is up to a second old and
 * knows no answers to come, what was taken says nothing of requests from elsewhere: the larger one counts.
 */
export function kvFree(capacity: number | null, use: number | null, takenTokens: number): number | null {
  if (capacity === null) return null;
  return Math.max(0, capacity - Math.max((use ?? 0) * capacity, takenTokens));
}

/** Requests of a size that fit. One always fits into an engine that runs nothing: whether it is too long is the engine's to say. */
export function fitting(freeTokens: number | null, running: number, promptTokens: number): number {
  if (freeTokens === null) return Number.POSITIVE_INFINITY;
  return Math.max(running === 0 ? 1 : 0, Math.floor(freeTokens / kvNeed(promptTokens, null)));
}
