/**
 * An answer that is begun again by an engine that cannot go on with one: what the client has is skipped, so that it reads every
 * word once. An engine that says something else contradicts what was read.
 */

/** The engine said something else than the client has read. */
export class Contradiction extends Error {
  override readonly name = 'Contradiction';

  constructor() {
    super('the engine cannot continue an answer, and began it again with other words');
  }
}

export type Verdict =
  | { readonly kind: 'hold' }
  | { readonly kind: 'all' }
  | { readonly kind: 'rest'; readonly text: string };

export class Repetition {
  readonly #shown: string;
  #said = '';
  #isOver: boolean;

  /** @param shown what the client has of the answer; empty where nothing has to be said again. */
  constructor(shown: string) {
    this.#shown = shown;
    this.#isOver = shown === '';
  }

  /**
   * @returns `hold` while it says what the client has; then `rest`: the part of the text that is new; from there on `all` of it is.
   * @throws Contradiction
   */
  take(text: string): Verdict {
    if (this.#isOver) return { kind: 'all' };
    this.#said += text;
    if (this.#said.startsWith(this.#shown)) {
      this.#isOver = true;
      return { kind: 'rest', text: this.#said.slice(this.#shown.length) };
    }
    if (this.#shown.startsWith(this.#said)) return { kind: 'hold' };
    throw new Contradiction();
  }

  /** The answer ends. @throws Contradiction where the client has more. */
  end(): void {
    if (!this.#isOver) throw new Contradiction();
  }
}
