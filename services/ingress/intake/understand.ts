/** Reads an inference request: from its bytes to what the dispatcher needs to know. */
import { mayAsk, type Permissions } from '@penstock/access';
import { type PromptSize, type SizeBoundaries, sizeClassOf } from '@penstock/policy';
import {
  type BodyClaim,
  checkForEngine,
  DispatchError,
  ENDPOINT_TABLE,
  type Endpoint,
  type EngineRules,
  elideMedia,
  endpointPath,
  type Lane,
  type ModelInfo,
  parseJson,
  type RequestSummary,
  type SizeClass,
  servedBy,
  validateRequest,
  type WriteFields,
  withFields,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import { absent, type Listening } from './absent.ts';
import type { FormBody } from './form-body.ts';
import { withSpan } from './form-scan.ts';
import { refuseModel, refuseTier } from './permitted.ts';
import type { TokenEstimates } from './token-estimates.ts';

/** A valid request for a model that is known. */
export interface InferenceRequest {
  /** Unix ms. */
  readonly acceptedAt: number;
  /** As the engine of the model that serves it gets it. */
  readonly body: Buffer;
  /** Of the body; absent for JSON. */
  readonly contentType?: string;
  /** The body is in the store already, under the request's id, and `body` is empty. */
  readonly claim?: BodyClaim;
  /** That body, with markers in place of large media, or the fields of that form. */
  readonly parsed: unknown;
  /** JSON made of `parsed`, with the media back in it. */
  readonly restore: (json: string) => string;
  readonly summary: RequestSummary;
  readonly model: ModelInfo;
  /** Slug of the queue whose workers have the endpoint. */
  readonly queue: string;
  /** See {@link WorkMeta.partOf}. */
  readonly partOf?: string;
  /** As estimated. */
  readonly promptTokens: number;
  readonly size: PromptSize;
}

export interface ModelCatalogue extends Listening {
  model(name: string): ModelInfo | undefined;
  /** The model that a name stands for. */
  target(name: string): string;
  /** Models that may stand in for a name, and have workers. */
  standIns(name: string): ModelInfo[];
  /** Null where no worker of the model has the endpoint. */
  queueFor(model: ModelInfo, endpoint: Endpoint): string | null;
  endpointsOf(model: ModelInfo): Endpoint[];
  /** Whether all workers of the model have it. */
  isEverywhere(model: ModelInfo, endpoint: Endpoint): boolean;
}

/** A model that may serve a request, and the slug of its queue. */
export interface Servant {
  readonly model: ModelInfo;
  readonly queue: string;
}

/** What a model is chosen by. */
export interface Choosing {
  readonly summary: RequestSummary;
  readonly promptTokens: number;
  readonly size: PromptSize;
}

/** Chooses the model that serves a request, where others may stand in. @param all the one that was asked for comes first. */
export type Choose = (all: readonly Servant[], by: Choosing) => Servant;

/** Fields that requests for a model have where the client gives none. @param model its name. */
export type DefaultsOf = (model: string) => Readonly<Record<string, unknown>>;

export interface IntakeOptions {
  readonly models: ModelCatalogue;
  readonly boundaries: SizeBoundaries;
  readonly estimates: Pick<TokenEstimates, 'of'>;
  readonly defaultsOf: DefaultsOf;
  readonly engineRules: EngineRules;
  readonly clock: Clock;
}

export class Intake {
  readonly #o: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#o = options;
  }

  /** @throws DispatchError for an invalid body or an unknown model. */
  read(endpoint: Endpoint, body: unknown, permissions: Permissions, choose?: Choose): InferenceRequest {
    if (!Buffer.isBuffer(body)) throw new DispatchError('unsupported_media_type');
    return this.#read(endpoint, body, this.#o.clock.now(), permissions, parseJson, choose);
  }

  /** As {@link read}, of JSON that was made here of what had been read. */
  readMade(endpoint: Endpoint, body: Buffer, acceptedAt: number, permissions: Permissions): InferenceRequest {
    return this.#read(
      endpoint,
      body,
      acceptedAt,
      permissions,
      bytes => JSON.parse(bytes.toString('utf8')) as unknown,
    );
  }

  #read(
    endpoint: Endpoint,
    body: Buffer,
    acceptedAt: number,
    permissions: Permissions,
    parse: (bytes: Buffer) => unknown,
    choose?: Choose,
  ): InferenceRequest {
    const { bytes, restoreText } = elideMedia(body);
    const read = this.#understand(endpoint, body, parse(bytes), acceptedAt, permissions, withFields, choose);
    return bytes === body ? read : { ...read, restore: restoreText };
  }

  /** As {@link read}, of a multipart form. */
  readForm(endpoint: Endpoint, form: FormBody, permissions: Permissions): InferenceRequest {
    const { body, fields, claim, contentType, model: named } = form;
    // What is in the store is renamed on its way to the engine.
    const write: WriteFields = (bytes, { model }) =>
      named === null || claim !== null ? bytes : withSpan(bytes, named, String(model));
    const read = this.#understand(endpoint, body, fields, this.#o.clock.now(), permissions, write);
    if (claim === null) return { ...read, contentType };
    const isRenamed = named !== null && read.summary.model !== fields['model'];
    return { ...read, contentType, claim: isRenamed ? { ...claim, model: named } : claim };
  }

  /**
   * @param parsed the body, with markers in place of large media, or the fields of the form.
   * @throws DispatchError where the body is not one for the endpoint, its model is not known, or does not have the endpoint.
   */
  #understand(
    endpoint: Endpoint,
    body: Buffer,
    parsed: unknown,
    acceptedAt: number,
    permissions: Permissions,
    write: WriteFields = withFields,
    choose?: Choose,
  ): InferenceRequest {
    const { models, estimates, defaultsOf } = this.#o;
    const asked = { body, summary: validateRequest(endpoint, parsed) };
    checkForEngine(parsed, this.#o.engineRules);
    const own = models.model(asked.summary.model);
    if (own === undefined) throw absent(models, new DispatchError('model_not_found', { param: 'model' }));
    const model =
      choose === undefined ? own : this.#chosen(endpoint, own, asked.summary, permissions, choose);
    const { name } = model;
    refuseModel(permissions, name, each => models.target(each));
    refuseTier(permissions, asked.summary.tier);
    const by = { model: name, defaults: defaultsOf(name) };
    const served = servedBy(endpoint, asked, parsed as object, by, write);
    const { summary } = served.request;
    const queue = models.queueFor(model, endpoint);
    if (queue === null) throw absent(models, noEndpoint(endpoint, models.endpointsOf(model)));
    const promptTokens = estimates.of(model.slug, summary.prompt);
    const size = this.#sizeOf(endpoint, promptTokens);
    const { request, parsed: read } = served;
    return { acceptedAt, ...request, parsed: read, restore: json => json, model, queue, promptTokens, size };
  }

  /** Endpoints that not every engine has are rare: their work is not told apart by size. */
  #sizeOf(endpoint: Endpoint, promptTokens: number): PromptSize {
    return ENDPOINT_TABLE[endpoint].inModelQueue ? sizeClassOf(promptTokens, this.#o.boundaries) : 'short';
  }

  #chosen(
    endpoint: Endpoint,
    own: ModelInfo,
    summary: RequestSummary,
    permissions: Permissions,
    choose: Choose,
  ): ModelInfo {
    const { models, estimates } = this.#o;
    const mayHave = ({ name, slug }: ModelInfo) =>
      slug !== own.slug && mayAsk(permissions, name, each => models.target(each));
    const others = models.standIns(summary.model).filter(mayHave);
    if (others.length === 0) return own;
    const all = [own, ...others].flatMap(model => {
      const queue = models.queueFor(model, endpoint);
      return queue === null ? [] : [{ model, queue }];
    });
    if (all[0]?.model !== own) return own;
    const promptTokens = estimates.of(own.slug, summary.prompt);
    return choose(all, { summary, promptTokens, size: this.#sizeOf(endpoint, promptTokens) }).model;
  }
}

function noEndpoint(endpoint: Endpoint, has: readonly Endpoint[]): DispatchError {
  return new DispatchError('endpoint_not_found', {
    message: `No worker of this model serves ${endpointPath(endpoint)}. It serves: ${has.map(endpointPath).join(', ')}.`,
  });
}

/** The size class it is queued under: only the interactive lane distinguishes prompt sizes. */
export function queueSizeOf(lane: Lane, request: InferenceRequest): SizeClass {
  return lane === 'interactive' ? request.size : 'any';
}
