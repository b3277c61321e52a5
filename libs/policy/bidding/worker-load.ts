/** What a worker knows about its own load, and the wait of new work estimated from it. */
import { TYPICAL_TOKENS } from './size-class.ts';

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

/** A record that its owner fills anew instead of making one each time. */
export type Filled<Type> = { -readonly [key in keyof Type]: Type[key] };

/** The part of it that determines how soon the engine computes a prompt. */
export type PrefillLoad = Pick<WorkerLoad, 'prefillBacklogTokens' | 'head' | 'prefillTokensPerSec'>;

/**
 * An attempt that fails costs its own time, the pause before the next and the place in the queue of another worker: an
 * engine that fails a third of its attempts counts as five times slower.
 */
const ERROR_WEIGHT = 4;
const LEAST_SUCCESS = 0.2;
/** A prompt overdue in prefill is expected to take this share of its delay so far in addition. */
const OVERDUE = 0.25;

/**
 * Seconds until the engine has prefilled all it was given. An overdue head means that it is slower than was learned.
 * @param overdue share of its delay so far that an overdue head is expected to take in addition.
 */
export function prefillAheadS(load: PrefillLoad, overdue = OVERDUE): number {
  const rate = Math.max(1, load.prefillTokensPerSec);
  const head = load.head;
  if (head === null) return load.prefillBacklogTokens / rate;
  const behind = Math.max(0, load.prefillBacklogTokens - head.tokens);
  const leftS = head.tokens / rate - head.elapsedS;
  return Math.max(leftS, overdue * -leftS) + behind / effectiveRate(load);
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
  /** Factor on the wait: an engine with a nearly full cache preempts, and a failing one costs a whole retry. */
  readonly penalty: number;
}

/** @param pace is filled and returned. */
export function paceOf(load: WorkerLoad, pace: Filled<Pace> = newPace()): Pace {
  const kvUse = kvPressure(load);
  const kv = kvUse > 0.9 ? 1 + (kvUse - 0.9) * 30 : 1;
  pace.aheadS = prefillAheadS(load);
  pace.tokensPerSec = effectiveRate(load);
  pace.penalty = kv * errorFactor(load.errorRate);
  return pace;
}

export function newPace(): Filled<Pace> {
  return { aheadS: 0, tokensPerSec: 0, penalty: 1 };
}

/**
 * Share of the KV cache that blocks new work, 0–1. 0 for an engine that runs nothing, whatever its gauge says: the
 * gauge counts cached blocks that can be evicted, or is stuck, and the engine would otherwise never get work again.
 */
export function kvPressure({ kvUse, running }: WorkerLoad): number {
  return running === 0 ? 0 : (kvUse ?? 0);
}

/** Estimated seconds from taking a request of so many uncached prompt tokens to its first token. */
export function estimateWait({ aheadS, tokensPerSec, penalty }: Pace, promptTokens: number): number {
  return (aheadS + promptTokens / tokensPerSec) * penalty;
}

/** The power is skipped for engines that do not fail: it costs as much as the rest of the estimate. */
function errorFactor(errorRate: number): number {
  return errorRate === 0 ? 1 : 1 / Math.max(LEAST_SUCCESS, 1 - errorRate) ** ERROR_WEIGHT;
}
