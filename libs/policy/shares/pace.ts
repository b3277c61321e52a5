/** How much of something there is a second lately: older amounts count less and less. */
export class Pace {
  readonly #overS: number;
  #perSecond = 0;
  #at = 0;

  /** @param overS time over which it is averaged, s. */
  constructor(overS: number) {
    this.#overS = overS;
  }

  /** @param now ms. */
  add(amount: number, now: number): void {
    this.#perSecond = this.perSecond(now) + amount / this.#overS;
    this.#at = now;
  }

  perSecond(now: number): number {
    return this.#perSecond * Math.exp((this.#at - now) / 1000 / this.#overS);
  }
}
