/**
 * The level a worker quotes for new work of one size class: its estimated wait until that work's first token, as a
 * multiple of what an idle, fast worker of the fleet would need, in exponential steps. The broker serves the lowest level
 * first, so quoting honestly *is* the load balancing.
 */

/** Each of the lower levels is this much more wait. */
export const DEFAULT_STEP = 1.4;
/** From this level on each is {@link WIDE_STEP} times the one below it: they tell late workers from very late ones. */
const FIRST_WIDE = 5;
const WIDE_STEP = 2;
/** Levels are 0 (soonest) to this. */
export const MAX_LEVEL = 9;
/** Waits below this are all alike, s. */
export const LEAST_IDEAL_S = 0.005;

/** What an idle worker of the fleet's best rate needs for a prompt, s. */
export function idealWait(promptTokens: number, fleetTokensPerSec: number): number {
  return Math.max(LEAST_IDEAL_S, promptTokens / Math.max(1, fleetTokensPerSec));
}

/** The levels of one step. Those of the default are worked out once: powers and logarithms cost as much as all the rest of a quote. */
interface Scale {
  /** Where each level begins, as a multiple of the ideal wait, and where the last one would end. */
  readonly begins: readonly number[];
}

function scaleOf(step: number): Scale {
  const begins = Array.from(
    { length: MAX_LEVEL + 2 },
    (_, level) => step ** Math.min(level, FIRST_WIDE) * WIDE_STEP ** Math.max(0, level - FIRST_WIDE),
  );
  return { begins };
}

const DEFAULT_SCALE = scaleOf(DEFAULT_STEP);

export function scaleFor(step: number): Scale {
  return step === DEFAULT_STEP ? DEFAULT_SCALE : scaleOf(step);
}

/** Multiple of the ideal wait → level 0 (soonest) to 9. */
export function levelOf(ratio: number, step = DEFAULT_STEP): number {
  const { begins } = scaleFor(step);
  let level = 0;
  while (level < MAX_LEVEL && ratio >= (begins[level + 1] ?? 1)) level++;
  return level;
}
