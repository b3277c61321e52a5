/**
 * What a new prompt costs those already there. An engine computes prompts and answers in the same steps: while it computes
 * a prompt, every answer gets one token a step, and a step full of prompt takes ten times as long as one without. How much
 * slower an answer becomes depends on its length: 0.3 s are a hundredth of 400 tokens, and more than all the rest of 20.
 */

/** Mean tokens of an answer, believed before any was seen. */
export const FIRST_ANSWER_TOKENS = 200;
/** So many answers are worth what is believed at first. */
const FIRST_WORTH = 10;
/** Weight of one more answer; of 0.1 the share of code completions in SLO is half a point less. */
const LEARN_ANSWER = 0.02;
/** Answers shorter than this are taken for so long: a mean of one token would make all quotes the highest. */
const LEAST_ANSWER_TOKENS = 16;

/**
 * Moving mean of answers' lengths.
 * @param seen answers it was learned from so far.
 */
export function learnAnswer(meanTokens: number, tokens: number, seen: number): number {
  const weight = Math.max(LEARN_ANSWER, 1 / (seen + FIRST_WORTH));
  return meanTokens + weight * (Math.max(LEAST_ANSWER_TOKENS, tokens) - meanTokens);
}

/**
 * A prompt as long as the mean answer counts like so many prompts for each answer it holds up. Found in the simulator: from
 * 50 the share of code completions in SLO is within a point of the best of the other rules; above 80 it gains nothing, and
 * the median of chat rises.
 */
const WEIGHT = 60;
/** Of longer prompts this counts: they go to the fast engines all the same, or wait twice as long. */
const MOST_TOKENS = 5000;

/** Each running request counts in the quote for a prompt like so many prompt tokens more. */
export function interferenceTokens(promptTokens: number, answerTokens: number): number {
  return (WEIGHT * Math.min(promptTokens, MOST_TOKENS)) / Math.max(LEAST_ANSWER_TOKENS, answerTokens);
}
