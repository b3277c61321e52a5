/**
 * The level a worker quotes for new work: its estimated wait until a new request's first token, in exponential steps.
 * The broker serves the lowest level first, so quoting honestly *is* the load balancing.
 */

/** What a worker knows about itself. Rates are learned, see {@link learnRate}. */
export interface WorkerLoad {
  /** Prompt tokens taken and not yet prefilled. */
  readonly prefillBacklogTokens: number;
  /** Prompt tokens prefilled per second, observed. */
  readonly prefillTokensPerSec: number;
  /** Requests that produce tokens now. */
  readonly decoding: number;
  /** Requests taken, in whatever state. */
  readonly running: number;
  /** Requests it may hold at once. */
  readonly slots: number;
  /** KV cache in use, 0–1; null where the engine does not tell. */
  readonly kvUse: number | null;
  /** Share of recent attempts that failed, 0–1. */
  readonly errorRate: number;
}

/** Prompt tokens a quote is made for when the size of the next request is not known. */
const TYPICAL_PROMPT_TOKENS = 1000;
/** Wait that an idle, fast worker needs for a typical prompt, s: the zero of the scale. */
const IDEAL_WAIT_S = 0.05;
/** Each level is this much more wait. 9 levels then span 1× to 57× ideal. */
const STEP = 1.57;
/** Every tenth of the slots in decode slows prefill a little: chunked prefill shares its step with all of them. */
const DECODE_DRAG = 0.5;
const MAX_LEVEL = 9;

/** Estimated seconds from taking a typical request to its first token. */
export function estimateWait(load: WorkerLoad): number {
  const rate = Math.max(1, load.prefillTokensPerSec);
  const prefill = (load.prefillBacklogTokens + TYPICAL_PROMPT_TOKENS) / rate;
  const drag = 1 + DECODE_DRAG * (load.decoding / Math.max(1, load.slots));
  // A nearly full cache makes the engine preempt; an erring engine costs a whole retry.
  const kv = load.kvUse !== null && load.kvUse > 0.9 ? 1 + (load.kvUse - 0.9) * 30 : 1;
  const errors = 1 / Math.max(0.05, 1 - load.errorRate);
  return prefill * drag * kv * errors;
}

/** Wait in seconds → level 0 (soonest) to 9. */
export function levelOf(waitS: number): number {
  if (!(waitS > IDEAL_WAIT_S)) return 0;
  return Math.min(MAX_LEVEL, Math.floor(Math.log(waitS / IDEAL_WAIT_S) / Math.log(STEP)));
}

export type BidDecision =
  | { readonly kind: 'bid'; readonly level: number; readonly batch: number; readonly reason: 'room' }
  | { readonly kind: 'pass'; readonly reason: 'full' | 'sick' | 'draining' | 'kv_full' };

/** Requests promised by one pull. Few, because the level is stale after the first; many save round trips. */
const MAX_BATCH = 32;
/** Above this the engine would queue or preempt what we give it. */
const KV_FULL = 0.97;

/** What to offer the broker now. */
export function decideBid(load: WorkerLoad, state: { sick: boolean; draining: boolean }): BidDecision {
  if (state.draining) return { kind: 'pass', reason: 'draining' };
  if (state.sick) return { kind: 'pass', reason: 'sick' };
  const free = load.slots - load.running;
  if (free <= 0) return { kind: 'pass', reason: 'full' };
  if (load.kvUse !== null && load.kvUse > KV_FULL) return { kind: 'pass', reason: 'kv_full' };
  // A quarter of the room at once: the quote is renewed before it is far from the truth.
  const batch = Math.min(MAX_BATCH, Math.max(1, Math.floor(free / 4)));
  return { kind: 'bid', level: levelOf(estimateWait(load)), batch, reason: 'room' };
}

/** Weight of one observation: an engine that changes speed is believed after about five requests. */
const LEARN = 0.25;

/** Exponentially weighted rate; an observation of no duration or no tokens says nothing. */
export function learnRate(current: number, tokens: number, seconds: number): number {
  if (!(tokens > 0 && seconds > 0)) return current;
  return current + LEARN * (tokens / seconds - current);
}
