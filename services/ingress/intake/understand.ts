/** Reads an inference request: from its bytes to what the dispatcher needs to know. */
import { type PromptSize, type SizeBoundaries, sizeClassOf } from '@penstock/policy';
import {
  DispatchError,
  type Endpoint,
  estimatePromptTokens,
  type Lane,
  type ModelInfo,
  parseJson,
  type RequestSummary,
  type SizeClass,
  validateRequest,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';

/** A valid request for a model that is known. */
export interface InferenceRequest {
  /** Unix ms. */
  readonly acceptedAt: number;
  readonly body: Buffer;
  readonly parsed: unknown;
  readonly summary: RequestSummary;
  readonly model: ModelInfo;
  /** As estimated. */
  readonly promptTokens: number;
  readonly size: PromptSize;
}

export interface ModelCatalogue {
  model(name: string): ModelInfo | undefined;
}

export class Intake {
  readonly #models: ModelCatalogue;
  readonly #boundaries: SizeBoundaries;
  readonly #clock: Clock;

  constructor(models: ModelCatalogue, boundaries: SizeBoundaries, clock: Clock) {
    this.#models = models;
    this.#boundaries = boundaries;
    this.#clock = clock;
  }

  /** @throws DispatchError for an invalid body or an unknown model. */
  read(endpoint: Endpoint, body: unknown): InferenceRequest {
    const acceptedAt = this.#clock.now();
    if (!Buffer.isBuffer(body)) throw new DispatchError('unsupported_media_type');
    return this.understand(endpoint, body, parseJson(body), acceptedAt);
  }

  /**
   * As {@link read}, of a body that was parsed already.
   * @throws DispatchError where the body is not one for the endpoint, or its model is not known.
   */
  understand(endpoint: Endpoint, body: Buffer, parsed: unknown, acceptedAt: number): InferenceRequest {
    const summary = validateRequest(endpoint, parsed);
    const model = this.#models.model(summary.model);
    if (model === undefined) throw new DispatchError('model_not_found', { param: 'model' });
    const promptTokens = estimatePromptTokens(summary.promptBytes);
    const size = sizeClassOf(promptTokens, this.#boundaries);
    return { acceptedAt, body, parsed, summary, model, promptTokens, size };
  }
}

/** The size class it is queued under: only the interactive lane distinguishes prompt sizes. */
export function queueSizeOf(lane: Lane, request: InferenceRequest): SizeClass {
  return lane === 'interactive' ? request.size : 'any';
}
