/** How long workers of a pool take from the order until they take work, learned from those that did. */

const KEPT = 20;
/** Longer is no start, but a failure that somebody mended, s. */
const LONGEST_S = 3600;

export class StartTimes {
  readonly #initialS: number;
  #seen: number[] = [];

  /** @param initialS until one was seen. */
  constructor(initialS: number) {
    this.#initialS = initialS;
  }

  add(s: number): void {
    if (s >= 0 && s <= LONGEST_S) this.#seen = [...this.#seen, s].slice(-KEPT);
  }

  /** What nine of ten take, s. */
  get startS(): number {
    const sorted = this.#seen.toSorted((a, b) => a - b);
    return sorted[Math.ceil(0.9 * sorted.length) - 1] ?? this.#initialS;
  }

  get seen(): number {
    return this.#seen.length;
  }
}
