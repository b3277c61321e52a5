/**
 * The level a worker quotes for new work of one size class: its estimated wait until that work's first token, as a
 * multiple of what an idle, fast worker of the fleet would need, in exponential steps. The broker serves the lowest level
 * first, so quoting honestly *is* the load balancing.
 */
import { disturbanceTokens } from './disturbance.ts';
import { fitting } from './kv-room.ts';
import { type PromptSize, TYPICAL_TOKENS } from './size-class.ts';

/** What a worker knows about itself. Rates are learned, see {@link learnRate}. */
export interface WorkerLoad {
  /** Prompt tokens taken and not yet prefilled; expected cache hits are left out. */
  readonly prefillBacklogTokens: number;
  /** The prompt in prefill now: its tokens (cache hits left out) and for how long it has been, s. */
  readonly head: { readonly tokens: number; readonly elapsedS: number } | null;
  /** Prompt tokens prefilled per second, observed. */
  readonly prefillTokensPerSec: number;
  /** Requests taken, in whatever state. */
  readonly running: number;
  /** Requests it may hold at once. */
  readonly slots: number;
  /** KV cache in use, 0–1; null where the engine does not tell. */
  readonly kvUse: number | null;
  /** Tokens of the KV cache that nothing taken is likely to need; null where the engine does not tell its size. */
  readonly kvFreeTokens: number | null;
  /** Share of recent attempts that failed, 0–1. */
  readonly errorRate: number;
  /** Mean tokens of its answers lately, see {@link learnAnswer}. */
  readonly answerTokens: number;
}

/** What of it says how soon its engine computes a prompt. */
export type PrefillLoad = Pick<WorkerLoad, 'prefillBacklogTokens' | 'head' | 'prefillTokensPerSec'>;

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
      /** After this the level is another one even if nothing happens, s: the backlog melts. */
      readonly validS: number;
      /** Only the risen price lets the worker bid. */
      readonly overReserve: boolean;
      readonly reason: 'room';
    }
  | { readonly kind: 'pass'; readonly reason: 'full' | 'sick' | 'draining' | 'kv_full' }
  /** `validS` tells when the wait may have fallen below the risen price. */
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
   * When everybody is over, the price must rise, or the queue would stand still: by this multiple of itself per ideal wait.
   * Of bursts of code completions p99 is up to a third longer when it rises half as fast again, and the share in SLO about a
   * point less when it rises at three quarters.
   */
  readonly rise: number;
  /** Prompt tokens a quote for the class is made for. */
  readonly typical: Readonly<Record<PromptSize, number>>;
}

export const DEFAULT_TUNING: BidTuning = {
  step: 1.4,
  reserve: { short: 3, medium: 2, long: 1.2 },
  rise: 0.2,
  typical: TYPICAL_TOKENS,
};
const MAX_LEVEL = 9;
/** Waits below this are all alike, s. */
const LEAST_IDEAL_S = 0.005;
/** Requests promised by one pull. */
const MAX_BATCH = 32;
/** Above this the engine would queue or preempt what we give it. */
const KV_FULL = 0.97;
/**
 * An attempt that fails costs its own time, the pause before the next and the place in the queue of another worker: an
 * engine that fails a third of its attempts counts as five times slower.
 */
const ERROR_WEIGHT = 4;
const LEAST_SUCCESS = 0.2;
/** A prompt overdue in prefill is expected to need this share of its delay so far once more. */
const OVERDUE = 0.25;

/** Seconds until the engine has prefilled all it was given. An overdue head means that it is slower than was learned. */
export function prefillAheadS(load: PrefillLoad): number {
  const rate = Math.max(1, load.prefillTokensPerSec);
  const head = load.head;
  if (head === null) return load.prefillBacklogTokens / rate;
  const behind = Math.max(0, load.prefillBacklogTokens - head.tokens);
  const leftS = head.tokens / rate - head.elapsedS;
  return Math.max(leftS, OVERDUE * -leftS) + behind / effectiveRate(load);
}

/**
 * The learned rate, or less where the prompt in prefill shows that it no longer holds. Overdue by less than a short prompt
 * takes says nothing: round trips and batch steps are not the rate.
 */
export function effectiveRate(load: PrefillLoad): number {
  const rate = Math.max(1, load.prefillTokensPerSec);
  const head = load.head;
  if (head === null) return rate;
  const shown = head.tokens + TYPICAL_TOKENS.short;
  return head.elapsedS * rate > shown ? shown / head.elapsedS : rate;
}

/** What the quotes for all size classes have in common. */
export interface Pace {
  readonly aheadS: number;
  readonly tokensPerSec: number;
  /** Of a wait: a nearly full cache makes the engine preempt, and an erring engine costs a whole retry. */
  readonly penalty: number;
}

export function paceOf(load: WorkerLoad): Pace {
  const kvUse = kvPressure(load);
  const kv = kvUse > 0.9 ? 1 + (kvUse - 0.9) * 30 : 1;
  const penalty = kv * errorFactor(load.errorRate);
  return { aheadS: prefillAheadS(load), tokensPerSec: effectiveRate(load), penalty };
}

/**
 * What of the KV cache is in the way of new work, 0–1. An engine that runs nothing makes room whatever it says: it counts what
 * it keeps for later, or its gauge is stuck, and would never be asked again.
 */
function kvPressure({ kvUse, running }: WorkerLoad): number {
  return running === 0 ? 0 : (kvUse ?? 0);
}

/** Estimated seconds from taking a request of so many uncached prompt tokens to its first token. */
export function estimateWait({ aheadS, tokensPerSec, penalty }: Pace, promptTokens: number): number {
  return (aheadS + promptTokens / tokensPerSec) * penalty;
}

/** Powers cost as much as all the rest of an estimate, and most engines do not fail. */
function errorFactor(errorRate: number): number {
  return errorRate === 0 ? 1 : 1 / Math.max(LEAST_SUCCESS, 1 - errorRate) ** ERROR_WEIGHT;
}

/** What an idle worker of the fleet's best rate needs for a prompt, s. */
export function idealWait(promptTokens: number, fleetTokensPerSec: number): number {
  return Math.max(LEAST_IDEAL_S, promptTokens / Math.max(1, fleetTokensPerSec));
}

/** The levels of one step. Those of the default are worked out once: powers and logarithms cost as much as all the rest of a quote. */
interface Scale {
  readonly log: number;
  /** Where each level begins, as a multiple of the ideal wait, and where the last one would end. */
  readonly begins: readonly number[];
}

function scaleOf(step: number): Scale {
  const begins = Array.from({ length: MAX_LEVEL + 2 }, (_, level) => step ** level);
  return { log: Math.log(step), begins };
}

const DEFAULT_SCALE = scaleOf(DEFAULT_TUNING.step);

function scaleFor(step: number): Scale {
  return step === DEFAULT_TUNING.step ? DEFAULT_SCALE : scaleOf(step);
}

/** Multiple of the ideal wait → level 0 (soonest) to 9. */
export function levelOf(ratio: number, step = DEFAULT_TUNING.step): number {
  if (!(ratio > 1)) return 0;
  return Math.min(MAX_LEVEL, Math.floor(Math.log(ratio) / scaleFor(step).log));
}

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
  const typical = tuning.typical[size];
  const reserve = tuning.reserve[size];
  const ideal = idealWait(typical, state.fleetTokensPerSec);
  const wait = estimateWait(pace, typical);
  const ratio = wait / ideal;
  const price = reserve * (1 + (tuning.rise * state.overReserveS) / ideal);
  const melts = load.prefillBacklogTokens > 0;
  if (ratio > price) {
    // The wait falls as fast as time passes, while the price rises.
    const validS = (wait - price * ideal) / ((melts ? 1 : 0) + reserve * tuning.rise);
    return { kind: 'pass', reason: 'over_reserve', validS: validS + LEAST_IDEAL_S };
  }
  const { begins } = scaleFor(tuning.step);
  const disturbed = load.running * disturbanceTokens(typical, load.answerTokens);
  const quoted = wait + disturbed / pace.tokensPerSec;
  const level = levelOf(quoted / ideal, tuning.step);
  const restS = ideal * (begins[level + 1] ?? 1) - quoted;
  return {
    kind: 'bid',
    level,
    batch: batchWithin((restS * pace.tokensPerSec) / Math.max(1, state.meanTokens), free),
    validS:
      level === 0 || level === MAX_LEVEL || !melts
        ? Number.POSITIVE_INFINITY
        : quoted - ideal * (begins[level] ?? 1),
    overReserve: ratio > reserve,
    reason: 'room',
  };
}

/** Share of the slots that a lower lane may fill, and how much prefill may be ahead of it, in ideal waits of a medium prompt. */
const SPARE = { background: { share: 0.75, ahead: 2 }, batch: { share: 0.5, ahead: 1 } } as const;

/** What to offer the broker now for a lane that only fills valleys. The level is how full the worker is. */
export function decideSpareBid(
  load: WorkerLoad,
  lane: keyof typeof SPARE,
  state: Pick<BidState, 'sick' | 'draining' | 'fleetTokensPerSec'>,
  tuning: BidTuning = DEFAULT_TUNING,
): BidDecision {
  if (state.draining) return { kind: 'pass', reason: 'draining' };
  if (state.sick) return { kind: 'pass', reason: 'sick' };
  const fits = fitting(load.kvFreeTokens, load.running, tuning.typical.medium);
  if (fits < 1 || kvPressure(load) > KV_FULL) return { kind: 'pass', reason: 'kv_full' };
  const { share, ahead } = SPARE[lane];
  const spare = Math.ceil(load.slots * share) - load.running;
  if (spare <= 0) return { kind: 'pass', reason: 'full' };
  const ideal = idealWait(tuning.typical.medium, state.fleetTokensPerSec);
  if (prefillAheadS(load) > ahead * ideal) return { kind: 'pass', reason: 'over_reserve', validS: ideal / 4 };
  const level = Math.min(MAX_LEVEL, Math.floor((10 * load.running) / load.slots));
  const batch = Math.max(1, Math.min(MAX_BATCH, Math.floor(spare / 4), fits));
  return { kind: 'bid', level, batch, validS: Number.POSITIVE_INFINITY, overReserve: false, reason: 'room' };
}

/** Requests promised at once: as many as leave the quote true, at least one, at most a quarter of the room. */
function batchWithin(same: number, free: number): number {
  return Math.max(1, Math.min(MAX_BATCH, Math.floor(free / 4), Math.floor(same)));
}

/** Tokens that are a whole observation: an engine that changes speed is believed after a few long prompts. */
const LEARN = 0.3;
const FULL_WEIGHT_TOKENS = 4000;

/**
 * An observation counts as at most this much faster than what was learned: a prefix that the cache held by surprise looks
 * like a fast engine, and a rate learned from it would draw work that the engine cannot do. Nothing makes one look slow.
 */
const MAX_FASTER = 1.3;

/** How much faster a rate is believed to be with every second in which nothing was learned. */
const RECOVERY = 1.15;

/**
 * A worker that was once faster and gets no work any more cannot show that it is well again: it is believed a little more
 * each second, until the next prompt tells. One that was never faster stays where it is.
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
