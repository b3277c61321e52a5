/**
 * Every endpoint that is served by an engine: where clients reach it, where an engine has it, and what kind of body goes in and comes
 * out. Routes, checks, queues, batches, jobs, metrics and the API's description are made from this table.
 */
import { toModelSlug } from './token.ts';

interface EndpointRow {
  /** Where clients reach it. The first one stands in jobs and batches. */
  readonly paths: readonly [string, ...string[]];
  /** Where engines have it, the usual path first. */
  readonly enginePaths: readonly [string, ...string[]];
  /**
   * What an answer has to be: `choices`, with a reason why each ended (a message of Anthropic's API is one); `json`; or `bytes` of
   * whatever type. Only `choices` can be streamed.
   */
  readonly answer: 'choices' | 'json' | 'bytes';
  /** What a request is: JSON, or a multipart form. */
  readonly body: 'json' | 'form';
  /** Whether the lines of a batch may ask for it. */
  readonly batch: boolean;
  /** Expected of every engine that cannot be asked what it has. */
  readonly usual: boolean;
  /** Queued with chat completions: all workers of the model have it, or can do without. */
  readonly inModelQueue: boolean;
  /** Whose API it is of. */
  readonly api: 'openai' | 'anthropic';
}

const json = { body: 'json', api: 'openai', batch: true } as const;
const usual = { ...json, usual: true, inModelQueue: true } as const;
const rare = { ...json, answer: 'json', usual: false, inModelQueue: false } as const;
const audio = { ...rare, answer: 'bytes', batch: false } as const;
const anthropic = { ...rare, api: 'anthropic', batch: false } as const;

const TABLE = {
  chat: {
    ...{ paths: ['/v1/chat/completions'], enginePaths: ['/v1/chat/completions'] },
    ...{ ...usual, answer: 'choices' },
  },
  completions: {
    ...{ paths: ['/v1/completions'], enginePaths: ['/v1/completions'] },
    ...{ ...usual, answer: 'choices' },
  },
  embeddings: {
    ...{ paths: ['/v1/embeddings'], enginePaths: ['/v1/embeddings'] },
    ...{ ...usual, answer: 'json' },
  },
  rerank: { ...rare, paths: ['/v1/rerank', '/rerank', '/v2/rerank'], enginePaths: ['/v1/rerank', '/rerank'] },
  score: { ...rare, paths: ['/v1/score', '/score'], enginePaths: ['/v1/score', '/score'] },
  pooling: { ...rare, paths: ['/pooling', '/v1/pooling'], enginePaths: ['/pooling', '/v1/pooling'] },
  classify: { ...rare, paths: ['/classify', '/v1/classify'], enginePaths: ['/classify', '/v1/classify'] },
  tokenize: { ...rare, paths: ['/tokenize', '/v1/tokenize'], enginePaths: ['/tokenize', '/v1/tokenize'] },
  detokenize: {
    ...{ ...rare, paths: ['/detokenize', '/v1/detokenize'], enginePaths: ['/detokenize', '/v1/detokenize'] },
  },
  moderations: { ...rare, paths: ['/v1/moderations'], enginePaths: ['/v1/moderations'] },
  images: { ...rare, paths: ['/v1/images/generations'], enginePaths: ['/v1/images/generations'] },
  speech: { ...audio, paths: ['/v1/audio/speech'], enginePaths: ['/v1/audio/speech'] },
  transcriptions: {
    ...{ ...audio, body: 'form' },
    ...{ paths: ['/v1/audio/transcriptions'], enginePaths: ['/v1/audio/transcriptions'] },
  },
  translations: {
    ...{ ...audio, body: 'form' },
    ...{ paths: ['/v1/audio/translations'], enginePaths: ['/v1/audio/translations'] },
  },
  // Used where all workers of a model have it; else a message is made of a chat completion.
  messages: {
    ...{ ...anthropic, answer: 'choices', inModelQueue: true },
    ...{ paths: ['/v1/messages'], enginePaths: ['/v1/messages'] },
  },
  messageTokens: {
    ...{ ...anthropic, paths: ['/v1/messages/count_tokens'], enginePaths: ['/v1/messages/count_tokens'] },
  },
} as const satisfies Record<string, EndpointRow>;

export type Endpoint = keyof typeof TABLE;
/** An endpoint as the table has it. */
export type EndpointSpec = EndpointRow;

export const ENDPOINT_TABLE: Readonly<Record<Endpoint, EndpointSpec>> = TABLE;
export const ENDPOINTS = Object.keys(TABLE) as Endpoint[];
/** What any engine is expected to have. */
export const USUAL_ENDPOINTS = ENDPOINTS.filter(name => ENDPOINT_TABLE[name].usual);

export function isEndpoint(name: string): name is Endpoint {
  return Object.hasOwn(TABLE, name);
}

/** Path by which an endpoint is named. */
export function endpointPath(endpoint: Endpoint): string {
  return ENDPOINT_TABLE[endpoint].paths[0];
}

/** What is known of a model that decides where its requests are queued. */
export interface ServedModel {
  readonly slug: string;
  /** What its engine has. */
  readonly endpoints: readonly Endpoint[];
}

/**
 * The queue of a model's requests to an endpoint, null where the engine does not have it. Some share the model's own queue. All others
 * share one that is named by the endpoints as well: only workers whose engines have the same ones pull from it.
 */
export function queueOf({ slug, endpoints }: ServedModel, endpoint: Endpoint): string | null {
  if (!endpoints.includes(endpoint)) return null;
  if (ENDPOINT_TABLE[endpoint].inModelQueue) return slug;
  const names = endpoints.filter(name => !ENDPOINT_TABLE[name].inModelQueue);
  return toModelSlug(`${slug} ${[...names].sort().join(' ')}`);
}

/** All queues that a worker pulls from for a model. */
export function queuesOf(model: ServedModel): string[] {
  const queues = model.endpoints.map(endpoint => queueOf(model, endpoint));
  return [...new Set(queues.filter(queue => queue !== null))];
}
