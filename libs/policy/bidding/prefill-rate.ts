/** How the prefill rate of an engine is learned from observations. */

/**
 * Prompt tokens per second assumed of a worker that has not learned its rate yet. High on purpose: such a worker has just
 * started, and it needs requests, which an optimistic estimate draws, to learn its real rate.
 */
export const ASSUMED_TOKENS_PER_SEC = 20_000;

/** Tokens that are a whole observation: an engine that changes speed is believed after a few long prompts. */
const LEARN = 0.3;
const FULL_WEIGHT_TOKENS = 4000;

/**
 * An observation counts as at most this much faster than what was learned: an unexpected cache hit looks like a
 * fast engine, and a rate learned from it would draw too much work. There is no such effect in the other direction.
 */
const MAX_FASTER = 1.3;

/** Factor by which the rate recovers in each second without an observation. */
const RECOVERY = 1.15;

/**
 * A worker that was once faster and gets no work any more cannot show that it has recovered: its assumed rate rises a little
 * each second, until the next prompt is measured. One that was never faster stays where it is.
 */
export function recoverRate(current: number, best: number): number {
  return Math.max(current, Math.min(best, current * RECOVERY));
}

/**
 * Weighted moving rate; a longer prefill says more. An observation of no duration or no tokens says nothing.
 * @param seenTokens learned from so far. While they are few the rate is their mean: the first prompts may be tiny, and what a
 *   tiny prompt takes is mostly the fixed part of a step.
 */
export function learnRate(current: number, tokens: number, seconds: number, seenTokens: number): number {
  if (!(tokens > 0 && seconds > 0)) return current;
  const observed = tokens / seconds;
  const isNew = seenTokens < FULL_WEIGHT_TOKENS;
  const weight = Math.max(LEARN * Math.min(1, tokens / FULL_WEIGHT_TOKENS), tokens / (tokens + seenTokens));
  return current + weight * ((isNew ? observed : Math.min(observed, MAX_FASTER * current)) - current);
}
