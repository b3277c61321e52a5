/** What happens next on the virtual clock: a binary heap of timers that can be moved. */

export class Timer {
  /** Virtual ms. */
  at = Number.POSITIVE_INFINITY;
  /** Place in the heap; -1 while not set. */
  index = -1;
  readonly run: () => void;

  constructor(run: () => void) {
    this.run = run;
  }
}

export class Agenda {
  readonly #heap: Timer[] = [];
  /** `at` of each timer in the heap, beside it: comparing must not fetch the timers themselves. */
  readonly #keys: number[] = [];
  now = 0;

  /** Sets or moves a timer. What is over is due now. */
  set(timer: Timer, at: number): void {
    const before = timer.at;
    timer.at = at;
    if (timer.index < 0) {
      const end = this.#heap.length;
      this.#heap.push(timer);
      this.#keys.push(at);
      this.#up(timer, end);
    } else if (at < before) this.#up(timer, timer.index);
    else this.#down(timer, timer.index);
  }

  cancel(timer: Timer): void {
    const { index } = timer;
    if (index < 0) return;
    const last = this.#heap.pop();
    this.#keys.pop();
    if (last !== undefined && last !== timer) {
      this.#up(last, index);
      this.#down(last, last.index);
    }
    timer.index = -1;
    timer.at = Number.POSITIVE_INFINITY;
  }

  /** Runs everything due up to a time, in order, and stops the clock there. */
  runUntil(end: number): void {
    while (this.#heap.length > 0 && (this.#keys[0] ?? 0) <= end) this.runNext();
    this.now = Math.max(this.now, Math.min(end, Number.MAX_VALUE));
  }

  /** Runs one timer. @returns false when there is none. */
  runNext(): boolean {
    const next = this.#heap[0];
    if (next === undefined) return false;
    this.now = Math.max(this.now, next.at);
    this.cancel(next);
    next.run();
    return true;
  }

  /** Lets a timer rise from a place that is free. */
  #up(timer: Timer, from: number): void {
    const { at } = timer;
    let i = from;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if ((this.#keys[parent] ?? 0) <= at) break;
      this.#move(parent, i);
      i = parent;
    }
    this.#place(timer, at, i);
  }

  /** Lets a timer sink from a place that is free. */
  #down(timer: Timer, from: number): void {
    const keys = this.#keys;
    const { at } = timer;
    let i = from;
    for (let child = 2 * i + 1; child < keys.length; child = 2 * i + 1) {
      if (child + 1 < keys.length && (keys[child + 1] ?? 0) < (keys[child] ?? 0)) child++;
      if ((keys[child] ?? 0) >= at) break;
      this.#move(child, i);
      i = child;
    }
    this.#place(timer, at, i);
  }

  #move(from: number, to: number): void {
    const timer = this.#heap[from];
    if (timer !== undefined) this.#place(timer, this.#keys[from] ?? 0, to);
  }

  #place(timer: Timer, key: number, index: number): void {
    this.#heap[index] = timer;
    this.#keys[index] = key;
    timer.index = index;
  }
}
