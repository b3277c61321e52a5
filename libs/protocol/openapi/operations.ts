/** Every operation that is served, one entry each. A test compares this with the routes there are. */
import type { REQUESTS } from './requests.ts';
import type { JsonSchema } from './schema.ts';
import { count, flag, text } from './schema.ts';

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'header' | 'path';
  readonly description?: string;
  readonly schema: JsonSchema;
  readonly required?: true;
}

export interface Operation {
  readonly method: 'get' | 'post' | 'delete';
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly body?: keyof typeof REQUESTS;
  /** Query and header parameters; those in the path are found there. */
  readonly parameters?: readonly Parameter[];
  /** Answer by status: a schema's name, or a media type for what is no JSON. Several of one status are alternatives. */
  readonly answers: Readonly<Record<string, readonly string[]>>;
  /** The request is queued: it can be refused for want of room, and fail at an engine. */
  readonly queued?: true;
  /** Needs no key. */
  readonly open?: true;
}

const query = (name: string, schema: JsonSchema, description = ''): Parameter => ({
  ...{ name, in: 'query', schema },
  ...(description === '' ? {} : { description }),
});
const header = (name: string, schema: JsonSchema, description: string): Parameter => ({
  ...{ name, in: 'header', schema, description },
});

const paging = (most: number): Parameter[] => [
  query('limit', { type: 'integer', minimum: 1, maximum: most }),
  query('order', { enum: ['asc', 'desc'] }, 'By time of creation; newest first by default.'),
  query('after', text, 'Id of the last item of the page before.'),
];
const timeout = header(
  'x-request-timeout-ms',
  { type: 'integer', minimum: 1, maximum: 3_600_000 },
  'When the client gives up. Work that cannot be begun by then is not begun.',
);
const idempotency = header(
  'Idempotency-Key',
  { type: 'string', minLength: 1, maxLength: 255 },
  'The same key never makes a second job. Looked at where the answer is fetched later.',
);
const inference: Parameter[] = [
  header(
    'Prefer',
    { type: 'string', examples: ['respond-async, wait=1'] },
    'RFC 7240. `respond-async` makes it a job; `wait=N` waits up to N seconds first.',
  ),
  idempotency,
  timeout,
  header(
    'x-session-affinity',
    text,
    'Requests of one session go to the worker that holds its cache. Up to 512 characters; longer ones are ignored.',
  ),
];

const EVENTS = 'text/event-stream';

function infer(path: string, id: string, answers: string[], summary: string): Operation {
  return {
    method: 'post',
    path,
    id,
    summary,
    body: `C${id.slice(1)}` as keyof typeof REQUESTS,
    parameters: inference,
    answers: { 200: answers, 202: ['Job'] },
    queued: true,
  };
}

const models: Operation[] = [
  {
    method: 'get',
    path: '/v1/models',
    id: 'listModels',
    summary: 'Models with a worker',
    answers: { 200: ['ModelList'] },
  },
  {
    method: 'get',
    path: '/v1/models/{model}',
    id: 'retrieveModel',
    summary: 'One model',
    answers: { 200: ['Model'] },
  },
];

const inferences: Operation[] = [
  infer('/v1/chat/completions', 'createChatCompletion', ['ChatCompletion', EVENTS], 'A chat completion'),
  infer('/v1/completions', 'createCompletion', ['Completion', EVENTS], 'A completion'),
  infer('/v1/embeddings', 'createEmbedding', ['EmbeddingList'], 'Embeddings'),
];

const responses: Operation[] = [
  {
    method: 'post',
    path: '/v1/responses',
    id: 'createResponse',
    summary: 'A response, in the foreground or the background',
    body: 'CreateResponse',
    parameters: [idempotency, timeout],
    answers: { 200: ['Response', EVENTS] },
    queued: true,
  },
  {
    method: 'get',
    path: '/v1/responses/{id}',
    id: 'retrieveResponse',
    summary: 'A response as it is now, or its events from one on',
    parameters: [
      query('stream', flag, 'Only for responses made in the background.'),
      query('starting_after', { ...count, maximum: 999_999_999 }, 'Sequence number of the last event seen.'),
    ],
    answers: { 200: ['Response', EVENTS] },
  },
  {
    method: 'delete',
    path: '/v1/responses/{id}',
    id: 'deleteResponse',
    summary: 'Forgets a response',
    answers: { 200: ['DeletedResponse'] },
  },
  {
    method: 'post',
    path: '/v1/responses/{id}/cancel',
    id: 'cancelResponse',
    summary: 'Stops a background response',
    answers: { 200: ['Response'] },
  },
  {
    method: 'get',
    path: '/v1/responses/{id}/input_items',
    id: 'listInputItems',
    summary: 'What the response was made from',
    parameters: paging(100),
    answers: { 200: ['InputItemList'] },
  },
];

const jobs: Operation[] = [
  {
    method: 'get',
    path: '/v1/jobs/{id}',
    id: 'retrieveJob',
    summary: 'The answer in the shape of the endpoint that was called; 202 while there is none',
    answers: { 200: ['ChatCompletion', 'Completion', 'EmbeddingList', 'Job'], 202: ['Job'] },
    queued: true,
  },
  {
    method: 'delete',
    path: '/v1/jobs/{id}',
    id: 'deleteJob',
    summary: 'Forgets a job',
    answers: { 200: ['DeletedJob'] },
  },
  {
    method: 'post',
    path: '/v1/jobs/{id}/cancel',
    id: 'cancelJob',
    summary: 'Stops a job',
    answers: { 200: ['Job'] },
  },
];

const files: Operation[] = [
  {
    method: 'post',
    path: '/v1/files',
    id: 'createFile',
    summary: 'Uploads a file',
    body: 'CreateFile',
    answers: { 200: ['File'] },
  },
  {
    method: 'get',
    path: '/v1/files',
    id: 'listFiles',
    summary: 'Files of this key',
    parameters: [query('purpose', text), ...paging(10_000)],
    answers: { 200: ['FileList'] },
  },
  {
    method: 'get',
    path: '/v1/files/{id}',
    id: 'retrieveFile',
    summary: 'About a file',
    answers: { 200: ['File'] },
  },
  {
    method: 'delete',
    path: '/v1/files/{id}',
    id: 'deleteFile',
    summary: 'Deletes a file',
    answers: { 200: ['DeletedFile'] },
  },
  {
    method: 'get',
    path: '/v1/files/{id}/content',
    id: 'downloadFile',
    summary: 'The bytes',
    answers: { 200: ['application/octet-stream'] },
  },
];

const batches: Operation[] = [
  {
    method: 'post',
    path: '/v1/batches',
    id: 'createBatch',
    summary: 'Starts a batch',
    body: 'CreateBatch',
    answers: { 200: ['Batch'] },
  },
  {
    method: 'get',
    path: '/v1/batches',
    id: 'listBatches',
    summary: 'Batches of this key',
    parameters: paging(100),
    answers: { 200: ['BatchList'] },
  },
  {
    method: 'get',
    path: '/v1/batches/{id}',
    id: 'retrieveBatch',
    summary: 'How far a batch is',
    answers: { 200: ['Batch'] },
  },
  {
    method: 'post',
    path: '/v1/batches/{id}/cancel',
    id: 'cancelBatch',
    summary: 'Stops a batch',
    answers: { 200: ['Batch'] },
  },
];

const operations: Operation[] = [
  {
    method: 'get',
    path: '/livez',
    id: 'live',
    summary: 'The process lives',
    answers: { 200: ['Health'] },
    open: true,
  },
  {
    method: 'get',
    path: '/readyz',
    id: 'ready',
    summary: 'This node takes traffic',
    answers: { 200: ['Health'], 503: ['Health'] },
    open: true,
  },
  {
    method: 'get',
    path: '/metrics',
    id: 'metrics',
    summary: 'Prometheus metrics',
    answers: { 200: ['text/plain'] },
    open: true,
  },
  {
    method: 'get',
    path: '/openapi.json',
    id: 'openapi',
    summary: 'This document',
    answers: { 200: ['Document'] },
    open: true,
  },
];

export const OPERATIONS: readonly Operation[] = [
  ...models,
  ...inferences,
  ...responses,
  ...jobs,
  ...files,
  ...batches,
  ...operations,
];
