/** The metadata line in front of a request's bytes on the queue: the part that does not depend on where the request goes. */
import type { CallNames, Lane, WorkMeta } from '@penstock/protocol';
import { drawKey } from '@penstock/runtime';
import { type InferenceRequest, queueSizeOf } from './understand.ts';

export interface FleetRate {
  /** Prefill rate of the fastest worker of a model, tokens/s. */
  fleetRate(slug: string): number;
}

/** Per-request values that are not in the request itself. */
export interface WorkTerms {
  readonly id: string;
  readonly endpoint: WorkMeta['endpoint'];
  /** The model's queue. */
  readonly slug: string;
  readonly lane: Lane;
  readonly names?: CallNames | undefined;
  /** Unix ms. */
  readonly deadlineAt: number;
}

/** Who is given the message can show it. */
export type KeyedMeta = WorkMeta & { readonly key: string };

export class WorkMetaWriter {
  readonly #ingressId: string;
  readonly #fleet: FleetRate;

  constructor(ingressId: string, fleet: FleetRate) {
    this.#ingressId = ingressId;
    this.#fleet = fleet;
  }

  /** Of work whose client waits; work that is stored says so by a change to it. */
  write(request: InferenceRequest, { id, endpoint, slug, lane, deadlineAt, names }: WorkTerms): KeyedMeta {
    const { summary, promptTokens, acceptedAt, contentType, claim, partOf } = request;
    return {
      v: 1,
      id,
      key: drawKey(),
      from: this.#ingressId,
      endpoint,
      model: summary.model,
      slug,
      stream: summary.stream,
      ...(contentType === undefined ? {} : { contentType }),
      ...(claim === undefined ? {} : { claim }),
      ...(summary.keepsNothing ? { store: false } : {}),
      ...(partOf === undefined ? {} : { partOf }),
      maxTokens: summary.maxTokens,
      attemptBase: 0,
      ask: false,
      stored: false,
      fleetRate: this.#fleet.fleetRate(slug),
      lane,
      size: queueSizeOf(lane, request),
      promptTokens,
      acceptedAt,
      deadlineAt,
      held: {},
      ...(names === undefined ? {} : { names }),
    };
  }
}
