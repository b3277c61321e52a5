/** What a worker last said of its queue, and what that is worth some time later. */
import { ASSUMED_TOKENS_PER_SEC } from '@penstock/policy';

export interface LastQuote {
  /** Wait before a new prompt's prefill would begin, s, when the quote was made. */
  readonly waitS: number;
  /** Prompt tokens prefilled per second; 0 while the worker has not learned it. */
  readonly tokensPerSec: number;
  /** Prompt tokens the worker ever put into its prefix cache. */
  readonly cacheTokens: number;
  /** Monotonic ms. */
  readonly at: number;
}

/** Wait at `now`, s: a worker goes on working while nothing is heard of it, so the quoted wait runs down. */
export function waitLeftS(quote: LastQuote, now: number): number {
  return Math.max(0, quote.waitS - (now - quote.at) / 1000);
}

/** Prompt tokens per second to reckon with. */
export function rateOf(quote: LastQuote): number {
  return quote.tokensPerSec || ASSUMED_TOKENS_PER_SEC;
}
