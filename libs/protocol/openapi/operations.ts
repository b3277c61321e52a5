/** Every operation that is served, one entry each. A test compares this with the routes there are. */
import { MAX_IDEMPOTENCY_KEY } from '../runs/idempotency.ts';
import { MAX_CALL_TIMEOUT_MS, MAX_RUN_TIMEOUT_MS } from '../runs/timeouts.ts';
import { ENDPOINT_TABLE, ENDPOINTS, type Endpoint } from '../wire/endpoints.ts';
import { COMPLETION_OPERATIONS } from './completion-operations.ts';
import { CONVERSATION_OPERATIONS } from './conversation-operations.ts';
import { header, type Operation, type Parameter, paging, query } from './operation.ts';
import { ORGANIZATION_OPERATIONS } from './organization-operations.ts';
import type { REQUESTS } from './requests.ts';
import { count, flag, text } from './schema.ts';
import { STORED_OPERATIONS } from './stored-operations.ts';

const timeout = header(
  'x-request-timeout-ms',
  { type: 'integer', minimum: 1, maximum: MAX_RUN_TIMEOUT_MS },
  `How long the client waits: for the first token of a stream, else for the whole answer. Work that has not started by then is dropped. Where a client waits, the default is the time-out that its SDK names, else 600000, and more than ${MAX_CALL_TIMEOUT_MS} counts as that. The default of a job is ${MAX_RUN_TIMEOUT_MS}.`,
);
const idempotency = header(
  'Idempotency-Key',
  { type: 'string', minLength: 1, maxLength: MAX_IDEMPOTENCY_KEY },
  'A request that is repeated with the same key does not run again: it gets the answer of the first.',
);
const prefer = header(
  'Prefer',
  { type: 'string', examples: ['respond-async, wait=1'] },
  'RFC 7240. `respond-async` makes the request a job; with `wait=N` the server waits up to N seconds for its answer first. `wait=N` alone is a deadline, or with an `Idempotency-Key` how long to wait before answering 202.',
);
const inference: Parameter[] = [
  prefer,
  idempotency,
  timeout,
  header(
    'x-session-affinity',
    text,
    'Name of the session. Requests of one session go to the worker that has its prefix in the cache. Up to 512 characters; a longer name is ignored.',
  ),
];

const EVENTS = 'text/event-stream';
const SPOKEN = 'audio/*';
const TRANSCRIPT = ['EngineAnswer', 'text/plain'];

interface Inference {
  readonly id: string;
  readonly body: keyof typeof REQUESTS;
  readonly answers: readonly string[];
  readonly summary: string;
  /** Its client is held: it can be no job. */
  readonly isHeld?: true;
}

/** What there is a request `Create…` of. */
type Created = keyof typeof REQUESTS extends infer Name
  ? Name extends `Create${infer What}`
    ? What
    : never
  : never;

const passed = (
  name: Created,
  summary: string,
  answers: readonly string[] = ['EngineAnswer'],
): Inference => ({
  ...{ id: `create${name}`, body: `Create${name}`, answers, summary },
});

/** Nothing of it is stored. */
const ofAnthropic = (
  id: string,
  body: keyof typeof REQUESTS,
  summary: string,
  answers: readonly string[],
): Inference => ({ id, body, summary, answers, isHeld: true });

const INFERENCES: Readonly<Record<Endpoint, Inference>> = {
  chat: passed('ChatCompletion', 'Create a chat completion', ['ChatCompletion', EVENTS]),
  completions: passed('Completion', 'Create a completion', ['Completion', EVENTS]),
  embeddings: passed('Embedding', 'Create embeddings', ['EmbeddingList']),
  rerank: passed('Rerank', 'Order documents by how well they answer a query'),
  score: passed('Score', 'Score pairs of texts'),
  pooling: passed('Pooling', 'Pool the hidden states of an input'),
  classify: passed('Classification', 'Classify an input'),
  tokenize: passed('Tokenization', 'Turn a text or a chat into token ids'),
  detokenize: passed('Detokenization', 'Turn token ids into text'),
  moderations: passed('Moderation', 'Classify whether an input is harmful'),
  images: passed('Image', 'Generate images'),
  speech: passed('Speech', 'Say a text', [SPOKEN]),
  transcriptions: passed('Transcription', 'Write down what is said', TRANSCRIPT),
  messages: ofAnthropic('createMessage', 'CreateMessage', "Create a message, as Anthropic's API does", [
    ...['Message', EVENTS],
  ]),
  messageTokens: ofAnthropic(
    'countMessageTokens',
    'CountTokens',
    'Count the tokens of a prompt: by an engine that can, else estimated',
    ['MessageTokensCount'],
  ),
  translations: passed('Translation', 'Translate speech into English text', TRANSCRIPT),
};

/** One operation for each path of the endpoint. */
function operationsOf(endpoint: Endpoint): Operation[] {
  const { id, body, answers, summary, isHeld } = INFERENCES[endpoint];
  const isOpenAi = ENDPOINT_TABLE[endpoint].api === 'openai';
  return ENDPOINT_TABLE[endpoint].paths.map((path, i) => ({
    ...{ method: 'post', path, id: [id, `${id}Alias`][i] ?? `${id}Alias${i}`, summary, body },
    ...(isHeld
      ? { parameters: [timeout], answers: { 200: answers } }
      : { parameters: inference, answers: { 200: answers, 202: ['Job'] } }),
    ...(isOpenAi ? {} : { errors: 'AnthropicErrorResponse' }),
    queued: true,
  }));
}

const models: Operation[] = [
  {
    method: 'get',
    path: '/v1/models',
    id: 'listModels',
    summary: 'List the available models',
    answers: { 200: ['ModelList'] },
  },
  {
    method: 'get',
    path: '/v1/models/{model}',
    id: 'retrieveModel',
    summary: 'Retrieve a model',
    answers: { 200: ['Model'] },
  },
];

const inferences: Operation[] = ENDPOINTS.flatMap(operationsOf);

const responses: Operation[] = [
  {
    method: 'post',
    path: '/v1/responses',
    id: 'createResponse',
    summary: 'Create a response, in the foreground or the background',
    body: 'CreateResponse',
    parameters: [prefer, idempotency, timeout],
    answers: { 200: ['Response', EVENTS], 202: ['Response'] },
    queued: true,
  },
  {
    method: 'get',
    path: '/v1/responses/{id}',
    id: 'retrieveResponse',
    summary: 'Retrieve a response, or its events after a given one',
    parameters: [
      query('stream', flag, 'Answer with server-sent events, live while the response runs.'),
      query(
        'starting_after',
        { ...count, maximum: 999_999_999 },
        'Sequence number of the last event received.',
      ),
    ],
    answers: { 200: ['Response', EVENTS] },
  },
  {
    method: 'delete',
    path: '/v1/responses/{id}',
    id: 'deleteResponse',
    summary: 'Delete a response',
    answers: { 200: ['DeletedResponse'] },
  },
  {
    method: 'post',
    path: '/v1/responses/{id}/cancel',
    id: 'cancelResponse',
    summary: 'Cancel a background response',
    answers: { 200: ['Response'] },
  },
  {
    method: 'get',
    path: '/v1/responses/{id}/input_items',
    id: 'listInputItems',
    summary: 'List the input items of a response',
    parameters: paging(100),
    answers: { 200: ['InputItemList'] },
  },
];

const jobs: Operation[] = [
  {
    method: 'get',
    path: '/v1/jobs/{id}',
    id: 'retrieveJob',
    summary: 'Retrieve the answer, in the shape of the endpoint that was called; 202 while there is none',
    answers: {
      200: ['ChatCompletion', 'Completion', 'EmbeddingList', 'EngineAnswer', 'Job', EVENTS, SPOKEN],
      202: ['Job'],
    },
    queued: true,
  },
  {
    method: 'delete',
    path: '/v1/jobs/{id}',
    id: 'deleteJob',
    summary: 'Delete a job',
    answers: { 200: ['DeletedJob'] },
  },
  {
    method: 'post',
    path: '/v1/jobs/{id}/cancel',
    id: 'cancelJob',
    summary: 'Cancel a job',
    answers: { 200: ['Job'] },
  },
];

const operations: Operation[] = [
  {
    method: 'get',
    path: '/v1/requests/{id}',
    id: 'explainRequest',
    summary:
      'What happened to a request, when and why, for an hour: of those that failed, of a sample of the others, and of those that are open at this node',
    answers: { 200: ['RequestTrail'] },
  },
  {
    method: 'get',
    path: '/livez',
    id: 'live',
    summary: 'Whether the process is alive',
    answers: { 200: ['Health'] },
    open: true,
  },
  {
    method: 'get',
    path: '/readyz',
    id: 'ready',
    summary: 'Whether this node accepts traffic',
    answers: { 200: ['Health'], 503: ['Health'] },
    open: true,
  },
  {
    method: 'get',
    path: '/health',
    id: 'health',
    summary: 'Same as /readyz; also served at /healthz and /ping',
    answers: { 200: ['Health'], 503: ['Health'] },
    open: true,
  },
  {
    method: 'get',
    path: '/version',
    id: 'version',
    summary: 'Version of this server',
    answers: { 200: ['Version'] },
    open: true,
  },
  {
    method: 'get',
    path: '/v1',
    id: 'index',
    summary: 'List the operations',
    answers: { 200: ['Index'] },
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
    summary: 'OpenAPI description of this server',
    answers: { 200: ['Document'] },
    open: true,
  },
];

export const OPERATIONS: readonly Operation[] = [
  ...models,
  ...inferences,
  ...COMPLETION_OPERATIONS,
  ...responses,
  ...CONVERSATION_OPERATIONS,
  ...jobs,
  ...STORED_OPERATIONS,
  ...ORGANIZATION_OPERATIONS,
  ...operations,
];
