/** Estimates the prompt tokens of this node's requests, and holds the estimates against what engines counted. */
import { TokenEstimator } from '@penstock/policy';
import { ENDPOINT_TABLE, type Endpoint, type PromptProfile } from '@penstock/protocol';
import type { IngressMetrics } from '../metrics.ts';

/** Kept with a request until its answer says what was right. */
export interface TokenEstimate {
  /** Slug of the model. */
  readonly model: string;
  readonly prompt: Readonly<PromptProfile>;
  readonly tokens: number;
}

/** Stored runs whose answers are awaited at once; of more, the oldest teach nothing. Some 300 bytes each. */
const MOST_AWAITED = 10_000;

/** What is estimated of a request; null where the engine counts its prompt several times: a reranker counts the query with every document. */
export function estimateOf(
  endpoint: Endpoint,
  read: {
    readonly model: { readonly slug: string };
    readonly summary: { readonly prompt: Readonly<PromptProfile> };
    readonly promptTokens: number;
  },
): TokenEstimate | null {
  if (!ENDPOINT_TABLE[endpoint].usual) return null;
  return { model: read.model.slug, prompt: read.summary.prompt, tokens: read.promptTokens };
}

export class TokenEstimates {
  /** By id of the stored run, oldest first. */
  readonly #awaited = new Map<string, TokenEstimate>();
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

  /** A stored run was accepted: whoever runs it announces what its engine counted. */
  awaitRun(id: string, estimate: TokenEstimate | null): void {
    if (estimate === null) return;
    this.#awaited.set(id, estimate);
    const [oldest] = this.#awaited.keys();
    if (this.#awaited.size > MOST_AWAITED && oldest !== undefined) this.#awaited.delete(oldest);
  }

  /** A run is final, or is none of this node's. @param promptTokens null where nobody counted them. */
  runEnded(id: string, promptTokens: number | null): void {
    const estimate = this.#awaited.get(id);
    if (estimate === undefined) return;
    this.#awaited.delete(id);
    if (promptTokens !== null) this.hear(estimate, promptTokens);
  }
}
