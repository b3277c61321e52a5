/** The shape of a day, learned from days before: how much more than now is usual a little later. In UTC. */

const BIN_MS = 600_000;
const BINS = 144;
/** Weight of the latest day. */
const LEARN = 0.3;
/** A day that is this unlike now says nothing. */
const MOST_GROWTH = 2;

export class DailyProfile {
  /** Mean load by ten minutes of the day; 0 where none was seen. */
  readonly #bins = new Float64Array(BINS);
  #bin = -1;
  #sum = 0;
  #count = 0;

  observe(at: number, load: number): void {
    const bin = Math.floor(at / BIN_MS);
    if (bin !== this.#bin) {
      this.#close();
      this.#bin = bin;
    }
    this.#sum += load;
    this.#count++;
  }

  #close(): void {
    if (this.#count === 0) return;
    const mean = this.#sum / this.#count;
    const known = this.#bins[this.#bin % BINS] ?? 0;
    this.#bins[this.#bin % BINS] = known === 0 ? mean : known + LEARN * (mean - known);
    this.#sum = this.#count = 0;
  }

  /** Load of a later time over that of now, as days before had it; 1 where they do not say. */
  growth(at: number, aheadS: number): number {
    const [now, later] = [this.#at(at), this.#at(at + 1000 * aheadS)];
    return now > 0 && later > 0 ? Math.min(MOST_GROWTH, later / now) : 1;
  }

  /** Between the middles of two bins. */
  #at(at: number): number {
    const place = at / BIN_MS - 0.5;
    const [from, share] = [Math.floor(place), place - Math.floor(place)];
    const [a, b] = [this.#bins[from % BINS] ?? 0, this.#bins[(from + 1) % BINS] ?? 0];
    return a === 0 || b === 0 ? 0 : a + share * (b - a);
  }
}
