/** Estimates prompt tokens, and learns from what engines counted: for each model on its own, since each has its tokenizer. */
import { PromptRates, type PromptUnits } from './prompt-rates.ts';

/** Models that are remembered; of more, those that have not been heard of for longest are forgotten. Some 3 KB each. */
const MAX_MODELS = 512;

export class TokenEstimator {
  /** Longest unheard of first. */
  readonly #models = new Map<string, PromptRates>();
  readonly #unknown = new PromptRates();

  estimate(model: string, units: PromptUnits): number {
    return (this.#models.get(model) ?? this.#unknown).estimate(units);
  }

  /**
   * @param promptTokens as the engine counted them, cached ones included.
   * @returns whether they can be right.
   */
  learn(model: string, units: PromptUnits, promptTokens: number): boolean {
    const rates = this.#models.get(model) ?? new PromptRates();
    if (!rates.learn(units, promptTokens)) return false;
    this.#models.delete(model);
    this.#models.set(model, rates);
    const [oldest] = this.#models.keys();
    if (this.#models.size > MAX_MODELS && oldest !== undefined) this.#models.delete(oldest);
    return true;
  }
}
