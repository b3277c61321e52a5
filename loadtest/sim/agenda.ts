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
  now = 0;

  /** Sets or moves a timer. What is over is due now. */
  set(timer: Timer, at: number): void {
    const before = timer.at;
    timer.at = at;
    if (timer.index < 0) {
      timer.index = this.#heap.length;
      this.#heap.push(timer);
      this.#up(timer);
    } else if (at < before) this.#up(timer);
    else this.#down(timer);
  }

  cancel(timer: Timer): void {
    if (timer.index < 0) return;
    const last = this.#heap.pop();
    if (last !== undefined && last !== timer) {
      last.index = timer.index;
      this.#heap[last.index] = last;
      this.#up(last);
      this.#down(last);
    }
    timer.index = -1;
    timer.at = Number.POSITIVE_INFINITY;
  }

  /** Runs everything due up to a time, in order, and stops the clock there. */
  runUntil(end: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.now = Math.max(this.now, next.at);
      this.cancel(next);
      next.run();
    }
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

  #up(timer: Timer): void {
    let i = timer.index;
    while (i > 0) {
      const parent = this.#heap[(i - 1) >> 1];
      if (parent === undefined || parent.at <= timer.at) break;
      this.#heap[i] = parent;
      parent.index = i;
      i = (i - 1) >> 1;
    }
    this.#heap[i] = timer;
    timer.index = i;
  }

  #down(timer: Timer): void {
    const size = this.#heap.length;
    let i = timer.index;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      const right = this.#heap[child + 1];
      if (right !== undefined && right.at < (this.#heap[child]?.at ?? 0)) child++;
      const smaller = this.#heap[child];
      if (smaller === undefined || smaller.at >= timer.at) break;
      this.#heap[i] = smaller;
      smaller.index = i;
      i = child;
    }
    this.#heap[i] = timer;
    timer.index = i;
  }
}
