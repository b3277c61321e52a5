/** What a worker offers the broker for interactive work of one size class. */
import { interferenceTokens } from './decode-interference.ts';
import { fitting } from './kv-room.ts';
import { DEFAULT_STEP, idealWait, LEAST_IDEAL_S, levelOf, MAX_LEVEL, scaleFor } from './level.ts';
import { ofSize, type PromptSize, TYPICAL_TOKENS } from './size-class.ts';
import { DEFAULT_DELAYS, type DelayLimits, mostDelayS } from './work-conservation.ts';
import { estimateWait, kvPressure, type Pace, paceOf, type WorkerLoad } from './worker-load.ts';

export interface BidState {
  readonly sick: boolean;
  readonly draining: boolean;
  /** Prefill rate of the fleet's fastest worker, tokens/s: the zero of the scale. */
  readonly fleetTokensPerSec: number;
  /** For how long this worker has been over the reserve price of the class, s. */
  readonly overReserveS: number;
  /** Mean prompt tokens of what it took of the class lately. */
  readonly meanTokens: number;
}

export type BidDecision =
  | {
      readonly kind: 'bid';
      readonly level: number;
      readonly batch: number;
      /** After this the level is another one even if nothing happens, s: the backlog shrinks. */
      readonly validS: number;
      /** The worker bids only because the reserve price has risen, or may delay no longer. */
      readonly overReserve: boolean;
      readonly reason: 'room';
    }
  | { readonly kind: 'pass'; readonly reason: 'full' | 'sick' | 'draining' | 'kv_full' }
  /** `validS` tells when the wait may have fallen below the risen price, or the price may delay no longer. */
  | { readonly kind: 'pass'; readonly reason: 'over_reserve'; readonly validS: number };

/** What the simulator may vary; the product uses {@link DEFAULT_TUNING}. */
export interface BidTuning {
  /** Each level is this much more wait. */
  readonly step: number;
  /**
   * A worker whose estimate is more than this multiple of the ideal does not bid: the request waits in the broker for a
   * better one instead of being bound to a bad one.
   */
  readonly reserve: Readonly<Record<PromptSize, number>>;
  /**
   * If all workers are over the reserve price it has to rise, or the queue would stand still: by this multiple of itself per
   * ideal wait. With bursts of code completions, p99 is up to a third longer if it rises 1.5 times as fast, and the share in
   * SLO about a point lower if it rises 0.75 times as fast.
   */
  readonly rise: number;
  readonly delays: DelayLimits;
  /** Prompt tokens a quote for the class is made for. */
  readonly typical: Readonly<Record<PromptSize, number>>;
}

export const DEFAULT_TUNING: BidTuning = {
  step: DEFAULT_STEP,
  reserve: { short: 3, medium: 2, long: 1.2 },
  rise: 0.2,
  delays: DEFAULT_DELAYS,
  typical: TYPICAL_TOKENS,
};
/** Requests promised by one pull. */
export const MAX_BATCH = 32;
/** KV use above which the engine would queue or preempt new work. */
export const KV_FULL = 0.97;

/**
 * What to offer the broker now for one size class.
 * @param pace of the load, where quotes for several classes are made at once.
 */
export function decideBid(
  load: WorkerLoad,
  size: PromptSize,
  state: BidState,
  tuning: BidTuning = DEFAULT_TUNING,
  pace: Pace = paceOf(load),
): BidDecision {
  if (state.draining) return { kind: 'pass', reason: 'draining' };
  if (state.sick) return { kind: 'pass', reason: 'sick' };
  if (load.running >= load.slots) return { kind: 'pass', reason: 'full' };
  const fits = fitting(load.kvFreeTokens, load.running, state.meanTokens);
  if (fits < 1 || kvPressure(load) > KV_FULL) return { kind: 'pass', reason: 'kv_full' };
  const free = Math.min(load.slots - load.running, fits);
  const typical = ofSize(tuning.typical, size);
  const reserve = ofSize(tuning.reserve, size);
  const ideal = idealWait(typical, state.fleetTokensPerSec);
  const wait = estimateWait(pace, typical);
  const ratio = wait / ideal;
  const price = reserve * (1 + (tuning.rise * state.overReserveS) / ideal);
  const shrinks = load.prefillBacklogTokens > 0;
  if (ratio > price) {
    const delayLeftS = mostDelayS(ideal, tuning.delays) - state.overReserveS;
    // The wait falls as fast as time passes, while the price rises.
    const untilPriceS = (wait - price * ideal) / ((shrinks ? 1 : 0) + reserve * tuning.rise) + LEAST_IDEAL_S;
    if (delayLeftS > 0)
      return { kind: 'pass', reason: 'over_reserve', validS: Math.min(untilPriceS, delayLeftS) };
  }
  const { begins } = scaleFor(tuning.step);
  const interference = load.running * interferenceTokens(typical, load.answerTokens);
  const quoted = wait + interference / pace.tokensPerSec;
  const level = levelOf(quoted / ideal, tuning.step);
  const restS = ideal * (begins[level + 1] ?? 1) - quoted;
  const overReserve = ratio > reserve;
  const batch = overReserve
    ? 1
    : batchWithin((restS * pace.tokensPerSec) / Math.max(1, state.meanTokens), free);
  if (shrinks && level > 0 && level < MAX_LEVEL) {
    const validS = quoted - ideal * (begins[level] ?? 1);
    return { kind: 'bid', level, batch, validS, overReserve, reason: 'room' };
  }
  return (overReserve ? null : LASTING[level]?.[batch]) ?? lasting(level, batch, overReserve);
}

/** A bid that holds until something happens. */
function lasting(level: number, batch: number, overReserve: boolean): BidDecision {
  return { kind: 'bid', level, batch, validS: Number.POSITIVE_INFINITY, overReserve, reason: 'room' };
}

/** Nearly all bids of a fleet with room are such. By level and batch; those over the reserve price are made as they come. */
const LASTING = Array.from({ length: MAX_LEVEL + 1 }, (_, level) =>
  Array.from({ length: MAX_BATCH + 1 }, (_, batch) => lasting(level, batch, false)),
);

/** Requests promised at once: as many as keep the quote valid, at least one, at most a quarter of the free room. */
function batchWithin(same: number, free: number): number {
  return Math.max(1, Math.min(MAX_BATCH, Math.floor(free / 4), Math.floor(same)));
}
