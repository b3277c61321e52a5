/**
 * The load that a fleet is offered, in slots of speed 1, now and after the time that a worker needs to start. By Little's law it is
 * arrivals a second times the time that one keeps a slot; both come from what workers say, so that it matters to nothing how a request got
 * to its worker. What waits is not load that was served, so its growth counts as arrivals.
 */
import { DailyProfile } from './daily-profile.ts';

/** Of the interactive lane, over all workers of a group of pools. */
export interface LoadSeen {
  /** Requests that run, each counted as the speed of its worker. */
  readonly running: number;
  /** Requests that wait for their first worker. */
  readonly waiting: number;
  /** Requests that workers have begun so far; null where they do not say. It may fall where workers leave. */
  readonly begun: number | null;
}

/** Time constants of what is averaged, s. */
const MOST_FAST_S = 20;
const LEAST_SLOW_S = 2;
const SERVICE_S = 120;
/** The slow average is over this part of the time for which workers are kept that are not needed any more, or over a start. */
const OF_HOLD = 0.4;
/** The fast average is this part of the slow one. */
const OF_SLOW = 1 / 6;
/** Before any was seen, s. */
const UNKNOWN_SERVICE_S = 10;
/** What this many standard deviations of chance explain is no trend. */
const CHANCE = 2;
/** A gap this long says nothing of a rate, s. */
const LONGEST_GAP_S = 60;

interface Last extends LoadSeen {
  /** Unix ms. */
  readonly at: number;
}

export class LoadForecast {
  readonly #profile: DailyProfile | null;
  #last: Last | null = null;
  #fast = 0;
  #slow = 0;
  #expected = 0;
  /** Mean of what ran and of what began a second, over the same time: their ratio is the time that one keeps a slot. */
  #running = 0;
  #beganPerS = 0;

  readonly #holdS: number;

  /** @param learnsDays whether the shape of earlier days is expected again. @param holdS for which workers that are not needed any more are kept. */
  constructor(learnsDays: boolean, holdS: number) {
    this.#holdS = holdS;
    this.#profile = learnsDays ? new DailyProfile() : null;
  }

  /** How long a request keeps a slot of speed 1, s. */
  get serviceS(): number {
    if (!this.#isServiceKnown) return UNKNOWN_SERVICE_S;
    return Math.min(3600, Math.max(0.05, this.#running / this.#beganPerS));
  }

  get #isServiceKnown(): boolean {
    return this.#beganPerS > 1e-6 && this.#running > 1e-6;
  }

  /** Load as averaged over the last minutes, slots of speed 1. */
  get slow(): number {
    return this.#slow;
  }

  /** What {@link ahead} said last. */
  get expected(): number {
    return this.#expected;
  }

  /** @param at Unix ms, rising. @param startS of a worker: how far ahead one will want to look. */
  observe(at: number, seen: LoadSeen, startS: number): void {
    const last = this.#last;
    this.#last = { at, ...seen };
    const s = last === null ? 0 : (at - last.at) / 1000;
    if (last === null || s <= 0 || s > LONGEST_GAP_S) {
      this.#fast = this.#slow = seen.running + seen.waiting;
      return;
    }
    const load = this.#loadOf(last, seen, s);
    this.#fast += weight(s, this.#fastS(startS)) * (load - this.#fast);
    this.#slow += weight(s, this.#slowS(startS)) * (load - this.#slow);
    this.#profile?.observe(at, this.#slow);
  }

  #loadOf(last: Last, seen: LoadSeen, s: number): number {
    // A worker that left took its count with it: nothing is learned from this step.
    if (seen.begun === null || last.begun === null || seen.begun < last.begun)
      return seen.running + Math.max(0, seen.waiting - last.waiting);
    const began = (seen.begun - last.begun) / s;
    const share = weight(s, SERVICE_S);
    this.#running += share * ((seen.running + last.running) / 2 - this.#running);
    this.#beganPerS += share * (began - this.#beganPerS);
    // Before a request has run to its end nobody knows how long one takes.
    if (!this.#isServiceKnown) return seen.running + seen.waiting;
    const arrivals = Math.max(0, began + (seen.waiting - last.waiting) / s);
    return arrivals * this.serviceS;
  }

  /**
   * The load to be ready for, slots of speed 1. A forecast only raises it: what falls is believed once it has fallen.
   * @param at Unix ms. @param startS when the workers that are ordered now will be there.
   */
  ahead(at: number, startS: number): number {
    const expected = Math.max(this.#fast + this.#trend(startS) * startS, this.#slow);
    const growth = this.#profile?.growth(at, startS) ?? 1;
    this.#expected = Math.max(expected, this.#slow * growth);
    return this.#expected;
  }

  #slowS(startS: number): number {
    return Math.max(LEAST_SLOW_S, OF_HOLD * this.#holdS, startS);
  }

  #fastS(startS: number): number {
    return Math.min(MOST_FAST_S, OF_SLOW * this.#slowS(startS));
  }

  /** Slots a second, never below 0: the two averages lag behind a steady rise by their time constants. */
  #trend(startS: number): number {
    const chance = CHANCE * Math.sqrt((this.#slow * this.serviceS) / (2 * this.#fastS(startS)));
    return Math.max(0, this.#fast - this.#slow - chance) / (this.#slowS(startS) - this.#fastS(startS));
  }
}

function weight(s: number, constantS: number): number {
  return 1 - Math.exp(-s / constantS);
}
