/** A worker's latest quote, and how it is read some time later. */
import { ASSUMED_TOKENS_PER_SEC } from '@penstock/policy';

export interface LastQuote {
  /** Wait before a new prompt's prefill would begin, s, when the quote was made. */
  readonly waitS: number;
  /** Prompt tokens prefilled per second; 0 until the worker has learned it. */
  readonly tokensPerSec: number;
  /** Prompt tokens the worker ever put into its prefix cache. */
  readonly cacheTokens: number;
  /** Monotonic ms. */
  readonly at: number;
}

/** Wait at `now`, s: a worker keeps working between its messages, so the quoted wait runs down. */
export function waitLeftS(quote: LastQuote, now: number): number {
  return Math.max(0, quote.waitS - (now - quote.at) / 1000);
}

/** Prompt tokens per second to assume. */
export function rateOf(quote: LastQuote): number {
  return quote.tokensPerSec || ASSUMED_TOKENS_PER_SEC;
}
