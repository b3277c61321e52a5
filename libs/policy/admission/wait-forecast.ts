/**
 * How long a request would wait for its first token if it came now: for what is served before it, at the rate at which such work is begun,
 * then on its way to an engine, then for its own prompt. Where nothing waits, what the workers quote is all there is to wait for.
 *
 * It is rather too long than too short: who is refused comes again, who is admitted and gets its first token too late has cost as much as
 * one that got it in time.
 */
import { BusyRate } from './busy-rate.ts';

/** Weight of one more request in what is learned of the way. */
const LEARN = 0.1;
/** How many times the mean deviation the way is taken to be longer than its mean. With 1, a twentieth more is late; with 2, long prompts are refused without need. */
const CAUTION = 1.5;

/** By cost a second: what is less stands still. */
const LEAST_RATE = 1e-3;
/** Nothing longer is said, s. */
const MOST_S = 3600;

/** What is known when a request comes. */
export interface ForecastOf {
  /** What waits and is served before it, by cost; null where nothing waits, so that it goes at once. */
  readonly ahead: number | null;
  /** Of itself. */
  readonly cost: number;
  /** What is on its way, by cost. */
  readonly onTheWay: number;
  /** What its own prompt takes at a worker, s. */
  readonly ownS: number;
  /** Until the worker with the shortest wait would begin it, by its quote, s. */
  readonly quotedS: number;
  /** That take such work. */
  readonly workers: number;
  /** What they would begin a second by their quotes, by cost. */
  readonly promised: number;
}

export class WaitForecast {
  readonly #busy = new BusyRate();
  #lookedAt: number | null = null;
  /** On its way, without its own prompt, s. */
  #wayS: number | null = null;
  /** How far off that is on average, s. */
  #offS = 0;

  /** Call before anything changes, and from time to time. @param now ms. @param isBusy something waits, beside what is on its way. */
  look(now: number, isBusy: boolean, workers: number): void {
    if (this.#lookedAt !== null && isBusy) this.#busy.passed((now - this.#lookedAt) / 1000, workers);
    this.#lookedAt = now;
  }

  /** An engine began a request. @param tookS since it was sent. @param ownS see {@link ForecastOf.ownS}. */
  begun(cost: number, tookS: number, ownS: number): void {
    this.#busy.begun(cost);
    const wayS = Math.max(0, tookS - ownS);
    const known = this.#wayS ?? wayS;
    this.#offS += LEARN * (Math.abs(wayS - known) - this.#offS);
    this.#wayS = known + LEARN * (wayS - known);
  }

  /** s until the first token. */
  seconds({ ahead, cost, onTheWay, ownS, quotedS, workers, promised }: ForecastOf): number {
    if (ahead === null) return quotedS + ownS;
    const perSecond = Math.max(LEAST_RATE, this.#busy.perSecond(workers, promised, cost));
    const wayS = Math.max(quotedS, this.#usualWayS, onTheWay / perSecond);
    return Math.min(MOST_S, ahead / perSecond + wayS + ownS);
  }

  /** s until the first token of what is sent now. */
  sentSeconds(ownS: number, quotedS: number): number {
    return Math.max(quotedS, this.#usualWayS) + ownS;
  }

  get #usualWayS(): number {
    return (this.#wayS ?? 0) + CAUTION * this.#offS;
  }
}
