/** What kind of transformer a model is, and how its requests are bound to workers where nobody says otherwise. */
import type { Affinity } from './affinity.ts';

export const ARCHITECTURES = ['dense', 'moe'] as const;
/** `moe`: mixture of experts. */
export type Architecture = (typeof ARCHITECTURES)[number];

/**
 * A cached prefix is worth more than an even spread where every token costs the whole model; with experts a batch is only
 * as fast as its busiest expert, and the even spread is worth more. An unknown model is taken to be dense.
 */
export function defaultAffinity(architecture: Architecture | null): Affinity {
  return architecture === 'moe' ? 'none' : 'prefix';
}

/** Sizes as publishers write them: `8x7B` (experts × size), `30B-A3B` (all and active parameters), or the word itself. */
const MOE_NOTATION = /(^|[^a-z0-9])(\d+x\d+(\.\d+)?b|a\d+(\.\d+)?b|moe|mixtral)([^a-z0-9]|$)/;
/** Families without such a name whose publishers describe all of them as mixture of experts. */
const MOE_FAMILIES = /(^|[^a-z0-9])(deepseek-(v2|v3|r1)|gpt-oss|llama-4|kimi-k2|dbrx|grok-1|minimax-m1)/;
/** Dense models taught by one of the above carry its name. */
const DISTILLED = /distill/;

/** What a model's name says about it; null if it says nothing. A guess: what the engine or the operator says takes precedence. */
export function architectureOf(name: string): Architecture | null {
  const lower = name.toLowerCase();
  if (DISTILLED.test(lower)) return 'dense';
  return MOE_NOTATION.test(lower) || MOE_FAMILIES.test(lower) ? 'moe' : null;
}
