/**
 * Notices an engine that begins an answer again instead of going on with it: many ignore `continue_final_message`. What the client
 * has is skipped then, so that it reads every word once.
 */

/** So many characters of the old answer, said again, are no accident. */
const NO_ACCIDENT = 16;

/** The engine began again, and said something else. */
export class Contradiction extends Error {
  override readonly name = 'Contradiction';
}

export type Verdict = { readonly kind: 'hold' | 'all' } | { readonly kind: 'rest'; readonly text: string };

export class Repetition {
  readonly #shown: string;
  #held = '';
  #state: 'undecided' | 'goes_on' | 'repeated';

  /** @param shown what the client has of the answer. */
  constructor(shown: string) {
    this.#shown = shown;
    this.#state = shown === '' ? 'goes_on' : 'undecided';
  }

  /** Whether the engine began again. */
  get isRepeated(): boolean {
    return this.#state === 'repeated';
  }

  /**
   * @returns `hold` while it cannot be told; then `all`: what was held back, and this, is new; or `rest`: only that is.
   * @throws Contradiction
   */
  take(text: string): Verdict {
    if (this.#state !== 'undecided') return { kind: 'all' };
    this.#held += text;
    if (this.#held.startsWith(this.#shown)) {
      this.#state = 'repeated';
      return { kind: 'rest', text: this.#held.slice(this.#shown.length) };
    }
    if (this.#shown.startsWith(this.#held)) return { kind: 'hold' };
    let same = 0;
    while (this.#held[same] === this.#shown[same]) same++;
    return this.#goOn(same);
  }

  /** The answer ends, and what was held back is new. @throws Contradiction */
  end(): void {
    if (this.#state === 'undecided') this.#goOn(this.#held.length);
  }

  /** @param same characters that were said before. */
  #goOn(same: number): Verdict {
    if (same >= NO_ACCIDENT)
      throw new Contradiction('the engine began the answer again, and said something else');
    this.#state = 'goes_on';
    return { kind: 'all' };
  }
}
