/** Every operation that is served, one entry each. A test compares this with the routes there are. */
import { COMPLETION_OPERATIONS } from './completion-operations.ts';
import { header, type Operation, type Parameter, paging, query } from './operation.ts';
import type { REQUESTS } from './requests.ts';
import { count, flag, text } from './schema.ts';
import { STORED_OPERATIONS } from './stored-operations.ts';

const timeout = header(
  'x-request-timeout-ms',
  { type: 'integer', minimum: 1, maximum: 3_600_000 },
  'When the client gives up. Work that cannot be begun by then is not begun.',
);
const idempotency = header(
  'Idempotency-Key',
  { type: 'string', minLength: 1, maxLength: 255 },
  'The same key never makes a second run: who asks again gets the same answer.',
);
const prefer = header(
  'Prefer',
  { type: 'string', examples: ['respond-async, wait=1'] },
  'RFC 7240. `respond-async` makes it a job; `wait=N` waits up to N seconds first. `wait=N` alone is a deadline, or with an `Idempotency-Key` how long to wait before 202.',
);
const inference: Parameter[] = [
  prefer,
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
    parameters: [prefer, idempotency, timeout],
    answers: { 200: ['Response', EVENTS], 202: ['Response'] },
    queued: true,
  },
  {
    method: 'get',
    path: '/v1/responses/{id}',
    id: 'retrieveResponse',
    summary: 'A response as it is now, or its events from one on',
    parameters: [
      query('stream', flag, 'Server-sent events, live while it runs.'),
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
    answers: { 200: ['ChatCompletion', 'Completion', 'EmbeddingList', 'Job', EVENTS], 202: ['Job'] },
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
  ...COMPLETION_OPERATIONS,
  ...responses,
  ...jobs,
  ...STORED_OPERATIONS,
  ...operations,
];
