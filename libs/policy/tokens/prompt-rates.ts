/**
 * How many tokens each kind of text makes with one model's tokenizer. Every answer with the engine's `usage.prompt_tokens` is one
 * equation: units of each kind times tokens per unit are the prompt's tokens. They are solved as they come by a Kalman filter (recursive
 * least squares with an uncertainty for each kind, e.g. Simon, Optimal State Estimation, ch. 5), which learns of each kind as much
 * as an answer says of it, and begins at what common tokenizers do.
 */

/**
 * Tokens per unit before any answer. Text: fitted to the tokenizers of GPT-4o, Llama 3, Qwen 3, Gemma 3 and DeepSeek V3 on the Universal
 * Declaration of Human Rights in 21 languages, and on TypeScript, Python, C, JSON, CSV, logs, base64 and hex. Images: OpenAI's 85 to
 * 1,105 tokens and Qwen2-VL's one for 28 × 28 pixels. Audio: Qwen2-Audio's 25 tokens a second, of 16 kHz WAV or of MP3.
 */
export const PRIOR_RATES = {
  letters: 0.24,
  alphabet: 0.4,
  abugida: 0.55,
  cjk: 0.74,
  digits: 0.8,
  symbols: 0.45,
  dense: 0.7,
  repeated: 0.1,
  fields: 2,
  messages: 4,
  smallImages: 300,
  mediumImages: 800,
  largeImages: 1500,
  audio: 1,
  videos: 2000,
  embeddings: 0.1,
} as const;

type LearnedKind = keyof typeof PRIOR_RATES;

/** Units of each kind in a prompt; a token id is a token. */
export type PromptUnits = Readonly<Record<LearnedKind | 'ids', number>>;

const KINDS = Object.keys(PRIOR_RATES) as LearnedKind[];
const PRIORS = Object.values(PRIOR_RATES);
const N = KINDS.length;

/** All below is in multiples of the prior: 1 is what is believed at first. No tokenizer is further from it than this, either way. */
const FARTHEST = 16;
/** Standard deviation of a rate of which nothing is known. */
const SPREAD = 0.5;
/** By how much a rate may change between two answers, standard deviation: a model's name may get another tokenizer. */
const DRIFT = 0.01;
/** Two texts of the same units differ by so much of their tokens, and by so many tokens, standard deviations. */
const TEXT_NOISE = 0.15;
const TOKEN_NOISE = 5;
/** An answer further off than so many standard deviations counts as if it were no further. */
const OUTLIER = 3;
/** Where these are so many more than half of the others, it is the rates that are wrong: nothing is known any more but where they were. */
const MOST_OUTLIERS = 5;

/** What has been learned of one model. */
export class PromptRates {
  readonly #rates = new Float64Array(N).fill(1);
  /** Covariance of the rates. */
  readonly #doubt = new Float64Array(N * N);
  readonly #prior = new Float64Array(N);
  readonly #gain = new Float64Array(N);
  /** Kinds that the latest prompt has some of: most prompts have three or four of them. */
  readonly #present: number[] = [];
  #outliers = 0;

  constructor() {
    this.#doubtAll();
  }

  #doubtAll(): void {
    this.#outliers = 0;
    this.#doubt.fill(0);
    for (let k = 0; k < N; k++) this.#doubt[k * N + k] = SPREAD ** 2;
  }

  /** Prompt tokens, a whole number; 0 only for an empty prompt. */
  estimate(units: PromptUnits): number {
    let tokens = units.ids;
    for (let k = 0; k < N; k++) {
      const count = units[kindAt(k)];
      if (count > 0) tokens += count * at(PRIORS, k) * at(this.#rates, k);
    }
    return Math.ceil(tokens);
  }

  /** Tokens per unit, as learned. */
  rate(kind: LearnedKind): number {
    const k = KINDS.indexOf(kind);
    return at(PRIORS, k) * at(this.#rates, k);
  }

  /**
   * An answer whose engine counted `promptTokens`. What no tokenizer can have counted is not believed: engines report 0 where they do
   * not count, and there are prompts that something else had a hand in.
   * @returns whether it was believed.
   */
  learn(units: PromptUnits, promptTokens: number): boolean {
    const tokens = promptTokens - units.ids;
    const expected = this.#lookAt(units);
    if (!this.#isPossible(tokens)) return false;
    const variance = (TEXT_NOISE * expected) ** 2 + TOKEN_NOISE ** 2 + this.#variance();
    const most = OUTLIER * Math.sqrt(variance);
    const surprise = Math.max(-most, Math.min(most, tokens - expected));
    this.#correct(surprise, variance);
    this.#outliers = Math.max(0, this.#outliers + (surprise === tokens - expected ? -0.5 : 1));
    if (this.#outliers >= MOST_OUTLIERS) this.#doubtAll();
    return true;
  }

  /** Notes what the prior says of each kind. @returns what the rates say of all. */
  #lookAt(units: PromptUnits): number {
    let expected = 0;
    this.#present.length = 0;
    for (let k = 0; k < N; k++) {
      const prior = units[kindAt(k)] * at(PRIORS, k);
      this.#prior[k] = prior;
      expected += prior * at(this.#rates, k);
      if (prior > 0) this.#present.push(k);
    }
    return expected;
  }

  #isPossible(tokens: number): boolean {
    let prior = 0;
    for (const k of this.#present) prior += at(this.#prior, k);
    const slack = OUTLIER * TOKEN_NOISE;
    return prior > 0 && tokens > prior / FARTHEST - slack && tokens < prior * FARTHEST + slack && tokens > 0;
  }

  /** Of the expected tokens, for all that is not known of the rates. Notes on the way how far each rate is to go for a token of surprise. */
  #variance(): number {
    let variance = 0;
    for (let k = 0; k < N; k++) {
      let sum = 0;
      for (const j of this.#present) sum += at(this.#doubt, k * N + j) * at(this.#prior, j);
      this.#gain[k] = sum;
      variance += sum * at(this.#prior, k);
    }
    return variance;
  }

  #correct(surprise: number, variance: number): void {
    for (let k = 0; k < N; k++) {
      const gain = at(this.#gain, k);
      // The answer says nothing of it: neither of this kind nor of one that was ever seen beside it.
      if (gain === 0) continue;
      const rate = at(this.#rates, k) + (gain * surprise) / variance;
      this.#rates[k] = Math.max(1 / FARTHEST, Math.min(FARTHEST, rate));
      for (let j = 0; j <= k; j++) {
        const doubt = at(this.#doubt, k * N + j) - (gain * at(this.#gain, j)) / variance;
        this.#doubt[k * N + j] = doubt;
        this.#doubt[j * N + k] = doubt;
      }
    }
    for (const k of this.#present) {
      const own = at(this.#doubt, k * N + k);
      if (own < SPREAD ** 2) this.#doubt[k * N + k] = Math.max(0, own) + DRIFT ** 2;
    }
  }
}

function kindAt(k: number): LearnedKind {
  return KINDS[k] as LearnedKind;
}

function at(values: ArrayLike<number>, i: number): number {
  return values[i] ?? 0;
}
