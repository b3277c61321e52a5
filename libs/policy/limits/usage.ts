/** What a request is taken to cost before it is known, and what it cost. */

/** Output tokens that are reserved for a request: most answers have fewer, and what an answer has more is owed. */
export const RESERVED_OUTPUT_TOKENS = 512;

export interface TokenUse {
  readonly prompt: number;
  readonly output: number;
}

/** US dollars for a million tokens. */
export interface TokenPrice {
  readonly prompt: number;
  readonly output: number;
}

export const NO_USE: TokenUse = { prompt: 0, output: 0 };

/** @param maxTokens limit on the answer, if it has one; null where it has none. */
export function reservedUse(promptTokens: number, maxTokens: number | null): TokenUse {
  return {
    prompt: promptTokens,
    output: Math.min(maxTokens ?? RESERVED_OUTPUT_TOKENS, RESERVED_OUTPUT_TOKENS),
  };
}

export function tokensOf({ prompt, output }: TokenUse): number {
  return prompt + output;
}

/** In US dollars. */
export function dollarsOf({ prompt, output }: TokenUse, price: TokenPrice | null): number {
  return price === null ? 0 : (prompt * price.prompt + output * price.output) / 1e6;
}
