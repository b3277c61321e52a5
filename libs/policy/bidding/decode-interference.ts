/**
 * What a new prompt costs the answers that are being generated. An engine computes prompts and answers in the same steps: while it computes
 * a prompt, every answer gets one token a step, and a step full of prompt takes ten times as long as one without. How much
 * slower an answer becomes depends on its length: 0.3 s is a hundredth of an answer of 400 tokens, and more than all the rest of one of 20.
 */

/** Assumed mean length of an answer before any was observed, tokens. */
export const FIRST_ANSWER_TOKENS = 200;
/** The assumption counts as much as this many answers. */
const FIRST_WORTH = 10;
/** Weight of one more answer; with 0.1 the share of code completions in SLO is half a point lower. */
const LEARN_ANSWER = 0.02;
/** Shorter answers count as this long: a mean of one token would make all quotes the highest. */
const LEAST_ANSWER_TOKENS = 16;

/**
 * Moving mean of answers' lengths.
 * @param seen number of answers observed so far.
 */
export function learnAnswer(meanTokens: number, tokens: number, seen: number): number {
  const weight = Math.max(LEARN_ANSWER, 1 / (seen + FIRST_WORTH));
  return meanTokens + weight * (Math.max(LEAST_ANSWER_TOKENS, tokens) - meanTokens);
}

/**
 * A prompt as long as the mean answer counts as this many prompts for each answer it delays. Found in the simulator: from
 * 50 the share of code completions in SLO is within a point of the best of the other rules; above 80 it gains nothing, and
 * the median of chat rises.
 */
const WEIGHT = 60;
/** Longer prompts count as this many: otherwise they would still go to the fast engines, or wait twice as long. */
const MOST_TOKENS = 5000;

/** Prompt tokens that each running request adds to the quote for a prompt. */
export function interferenceTokens(promptTokens: number, answerTokens: number): number {
  return (WEIGHT * Math.min(promptTokens, MOST_TOKENS)) / Math.max(LEAST_ANSWER_TOKENS, answerTokens);
}
