/** How much a worker has worked recently, in time: the measure for bounded load. */

/** Memory of {@link lately}, s: some hundred requests long, and short beside the life of a popular prefix. */
export const LOAD_MEMORY_S = 120;
/** What a request costs its engine beside the prefill of its prompt, in prompt tokens: its decode steps hold up others. */
const DECODE_TOKENS = 800;

/**
 * Exponentially weighted share of time that a worker spent working: 0 for one idle for minutes, about 1 for one that always
 * has a prompt to compute.
 * @param busyS worked since the last call, which was `elapsedS` ago.
 */
export function lately(load: number, busyS: number, elapsedS: number): number {
  return load * Math.exp(-elapsedS / LOAD_MEMORY_S) + busyS / LOAD_MEMORY_S;
}

/** Seconds that a request keeps an engine from others. */
export function workS(uncachedTokens: number, tokensPerSec: number): number {
  return (uncachedTokens + DECODE_TOKENS) / Math.max(1, tokensPerSec);
}
