/**
 * The values of one Trend in bounded memory. Up to 4,096 values are kept and quantiles are exact; then they move into
 * logarithmic buckets that grow by 1 %, so a quantile is off by at most 0.5 % of its value, however long the run.
 * Count, sum, minimum and maximum are always exact.
 */
const EXACT = 4096;
const GROWTH = 1.01;
const LOG_GROWTH = Math.log(GROWTH);
/** Smaller sizes count as 0; with ms this is a nanosecond. */
const SMALLEST = 1e-6;
const LARGEST = 1e12;
const FIRST = Math.floor(Math.log(SMALLEST) / LOG_GROWTH);
const BUCKETS = Math.ceil(Math.log(LARGEST) / LOG_GROWTH) - FIRST + 1;

export class Distribution {
  count = 0;
  sum = 0;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;
  #exact: Float64Array | null = new Float64Array(64);
  #zeros = 0;
  #positive: Uint32Array | null = null;
  #negative: Uint32Array | null = null;

  add(value: number): void {
    this.sum += value;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    if (this.#exact !== null) this.#addExact(this.#exact, value);
    else this.#addToBucket(value);
    this.count++;
  }

  get mean(): number {
    return this.count === 0 ? 0 : this.sum / this.count;
  }

  /** @param q 0–1. Between two values it interpolates linearly. 0 when there are no values. */
  quantile(q: number): number {
    if (this.count === 0) return 0;
    const rank = q * (this.count - 1);
    const low = Math.floor(rank);
    const sorted = this.#exact?.slice(0, this.count).sort();
    const at = (index: number) => (sorted === undefined ? this.#bucketAt(index) : (sorted[index] ?? 0));
    const from = at(low);
    return rank === low ? from : from + (at(low + 1) - from) * (rank - low);
  }

  #addExact(values: Float64Array, value: number): void {
    if (this.count === EXACT) {
      this.#exact = null;
      for (const kept of values) this.#addToBucket(kept);
      this.#addToBucket(value);
      return;
    }
    let room = values;
    if (this.count === values.length) {
      room = new Float64Array(Math.min(EXACT, values.length * 4));
      room.set(values);
      this.#exact = room;
    }
    room[this.count] = value;
  }

  #addToBucket(value: number): void {
    const size = Math.abs(value);
    if (size < SMALLEST) {
      this.#zeros++;
      return;
    }
    const index = Math.min(BUCKETS - 1, Math.floor(Math.log(size) / LOG_GROWTH) - FIRST);
    if (value > 0) this.#positive ??= new Uint32Array(BUCKETS);
    else this.#negative ??= new Uint32Array(BUCKETS);
    const side = value > 0 ? this.#positive : this.#negative;
    if (side !== null) side[index] = (side[index] ?? 0) + 1;
  }

  /** The value of a rank in ascending order: the middle of its bucket. */
  #bucketAt(rank: number): number {
    let left = rank;
    if (this.#negative !== null) {
      for (let index = BUCKETS - 1; index >= 0; index--) {
        left -= this.#negative[index] ?? 0;
        if (left < 0) return this.#clamp(-middleOf(index));
      }
    }
    left -= this.#zeros;
    if (left < 0) return this.#clamp(0);
    for (let index = 0; index < BUCKETS; index++) {
      left -= this.#positive?.[index] ?? 0;
      if (left < 0) return this.#clamp(middleOf(index));
    }
    return this.max;
  }

  #clamp(value: number): number {
    return Math.min(this.max, Math.max(this.min, value));
  }
}

/** Of the bucket from g^i to g^(i+1): the point whose relative distance to both ends is the same. */
function middleOf(index: number): number {
  const from = Math.exp((index + FIRST) * LOG_GROWTH);
  return (2 * from * GROWTH) / (1 + GROWTH);
}
