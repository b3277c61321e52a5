/**
 * A fast incremental hash of text, 53 bits (two multiplicative lanes and a final mix, after bryc's public-domain cyrb53).
 * Incremental because block keys need the hash of every prefix. Not for security.
 */
export class TextHash {
  #a = 0x5eed_0001;
  #b = 0x41c6_4e6d;

  update(text: string, from = 0, to = text.length): this {
    let a = this.#a;
    let b = this.#b;
    for (let i = from; i < to; i++) {
      const code = text.charCodeAt(i);
      a = Math.imul(a ^ code, 2_654_435_761);
      b = Math.imul(b ^ code, 1_597_334_677);
    }
    this.#a = a;
    this.#b = b;
    return this;
  }

  updateInt(value: number): this {
    this.#a = Math.imul(this.#a ^ value, 2_654_435_761);
    this.#b = Math.imul(this.#b ^ Math.imul(value, 0x9e37_79b1), 1_597_334_677);
    return this;
  }

  /** Hash of all that was given so far; more can be added after. */
  key(): number {
    let a = Math.imul(this.#a ^ (this.#a >>> 16), 2_246_822_507);
    a ^= Math.imul(this.#b ^ (this.#b >>> 13), 3_266_489_909);
    let b = Math.imul(this.#b ^ (this.#b >>> 16), 2_246_822_507);
    b ^= Math.imul(a ^ (a >>> 13), 3_266_489_909);
    return 4_294_967_296 * (b & 0x1f_ffff) + (a >>> 0);
  }

  hex(): string {
    return this.key().toString(16).padStart(14, '0');
  }
}
