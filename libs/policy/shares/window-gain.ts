/**
 * By how much a window may be larger than for engines that compute prompts one after the other. Most do; but one that computes many side by side, such as
 * a router in front of others, begins the more the more it has, and would be kept half idle. Nothing tells the two apart but trying: with a backlog, the
 * window is made larger for a while, and stays so if as good as that much more is begun.
 */

/** By how much a trial changes it. */
const STEP = 1.3;
/** A larger window stays if the pace rises by half of that … */
const KEEPS_UP = 1.15;
/** … and a smaller one if nearly as much is begun. */
const KEEPS_DOWN = 0.93;
const MOST = 64;
/** A pace is measured over so many requests at least, and so long, ms; of what begins slowly over fewer. */
const LEAST_BEGUN = 30;
const LEAST_MS = 1000;
const FEW_BEGUN = 10;
const FEW_MS = 10_000;
/** After a change nothing is measured for as long as requests are on their way, and no longer than this, ms. */
const MOST_SETTLING_MS = 30_000;
/** Measurements between two trials: twice as many after each one that was for nothing. */
const LEAST_PAUSE = 6;
const MOST_PAUSE = 128;

export class WindowGain {
  #gain = 1;
  /** What is being tried. */
  #trial: number | null = null;
  /** At `#gain`, cost begun in a ms. */
  #pace = 0;
  /** Measurements that it is of. */
  #known = 0;
  #from = 0;
  /** Of what is measured, the first and the last that was begun. */
  #firstAt: number | null = null;
  #lastAt = 0;
  #begun = 0;
  #cost = 0;
  #tookMs = 0;
  #pause = LEAST_PAUSE;
  /** Measurements until the next trial. */
  #left = LEAST_PAUSE;
  #isNextSmaller = false;

  /** 1 or more. */
  get value(): number {
    return this.#trial ?? this.#gain;
  }

  /** There was room without waiting: what is begun now tells nothing of the window. */
  idle(now: number): void {
    this.#trial = null;
    this.#measureFrom(now);
  }

  /** @param cost of what was begun. @param tookMs how long it was on its way. */
  begun(cost: number, tookMs: number, now: number): void {
    if (now < this.#from) return;
    // What begins at once is of one step, and counts as a whole: from the first step that is seen until the last.
    if (now > this.#lastAt && this.#isMeasured) this.#judgeAt(now);
    if (this.#firstAt === null) this.#firstAt = now;
    else if (now > this.#firstAt) {
      this.#begun++;
      this.#cost += cost;
      this.#tookMs += tookMs;
    }
    this.#lastAt = now;
  }

  get #isMeasured(): boolean {
    const ms = this.#lastAt - (this.#firstAt ?? 0);
    return this.#begun >= LEAST_BEGUN ? ms >= LEAST_MS : this.#begun >= FEW_BEGUN && ms >= FEW_MS;
  }

  #judgeAt(now: number): void {
    const before = this.value;
    const settlingMs = Math.min(MOST_SETTLING_MS, this.#tookMs / this.#begun);
    this.#judge(this.#cost / (this.#lastAt - (this.#firstAt ?? 0)));
    this.#measureFrom(before === this.value ? now : now + settlingMs);
  }

  #judge(pace: number): void {
    if (this.#trial === null) {
      // The mean of the latest ones.
      this.#known = Math.min(LEAST_PAUSE, this.#known + 1);
      this.#pace += (pace - this.#pace) / this.#known;
      if (--this.#left <= 0) this.#trial = this.#next();
      return;
    }
    const isLarger = this.#trial > this.#gain;
    const isKept = pace >= this.#pace * (isLarger ? KEEPS_UP : KEEPS_DOWN);
    if (isKept) {
      this.#gain = this.#trial;
      this.#pace = pace;
      this.#known = 1;
    } else this.#isNextSmaller = isLarger;
    this.#pause = isKept ? LEAST_PAUSE : Math.min(MOST_PAUSE, 2 * this.#pause);
    this.#left = this.#pause;
    // What was for the better is gone on with at once.
    this.#trial = isKept ? this.#next() : null;
  }

  /** Null where it can be changed no further. */
  #next(): number | null {
    const next = this.#isNextSmaller && this.#gain > 1 ? this.#gain / STEP : this.#gain * STEP;
    return next > MOST ? null : Math.max(1, next);
  }

  #measureFrom(at: number): void {
    this.#from = at;
    this.#firstAt = null;
    this.#begun = 0;
    this.#cost = 0;
    this.#tookMs = 0;
  }
}
