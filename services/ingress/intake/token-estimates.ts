/** Estimates the prompt tokens of this node's requests, and holds the estimates against what engines counted. */
import { TokenEstimator } from '@penstock/policy';
import type { PromptProfile } from '@penstock/protocol';
import type { IngressMetrics } from '../metrics.ts';

/** Kept with a request until its answer says what was right. */
export interface TokenEstimate {
  /** Slug of the model. */
  readonly model: string;
  readonly prompt: Readonly<PromptProfile>;
  readonly tokens: number;
}

export class TokenEstimates {
  readonly #estimator = new TokenEstimator();
  readonly #metrics: Pick<IngressMetrics, 'estimateRatio' | 'modelOf'>;

  constructor(metrics: Pick<IngressMetrics, 'estimateRatio' | 'modelOf'>) {
    this.#metrics = metrics;
  }

  /** @param model its slug. */
  of(model: string, prompt: Readonly<PromptProfile>): number {
    return this.#estimator.estimate(model, prompt);
  }

  /** @param promptTokens as the engine counted them. What no tokenizer can have counted is neither believed nor shown. */
  hear({ model, prompt, tokens }: TokenEstimate, promptTokens: number): void {
    if (this.#estimator.learn(model, prompt, promptTokens))
      this.#metrics.estimateRatio.observe({ model: this.#metrics.modelOf(model) }, tokens / promptTokens);
  }
}
