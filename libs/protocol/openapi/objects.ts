/** Response bodies as JSON Schema: the supported part of OpenAI's shapes (OpenAPI 2.3.0 of its platform). */
import { BATCH_STATUSES } from '../batches/batch.ts';
import { RUN_STATUSES } from '../runs/stored-run.ts';
import { TRAIL_KINDS } from '../runs/trail.ts';
import { EVENT_TYPES } from '../webhooks/event.ts';
import {
  anything,
  count,
  flag,
  type JsonSchema,
  list,
  nullable,
  number,
  object,
  record,
  ref,
  seconds,
  text,
} from './schema.ts';

const tokens = object({ prompt_tokens: count, completion_tokens: count, total_tokens: count });
const finished = nullable({ enum: ['stop', 'length', 'tool_calls', 'content_filter', 'function_call'] });
const pageOf = (item: JsonSchema) =>
  object({
    object: { const: 'list' },
    data: list(item),
    first_id: nullable(text),
    last_id: nullable(text),
    has_more: flag,
  });
const deleted = (kind: string) => object({ id: text, object: { const: kind }, deleted: { const: true } });

const inference: Record<string, JsonSchema> = {
  Model: object(
    { id: text, object: { const: 'model' }, created: seconds, owned_by: text },
    { root: text, parent: nullable(text), max_model_len: nullable(count) },
  ),
  ModelList: object({ object: { const: 'list' }, data: list(ref('Model')) }),
  ToolCall: object({
    id: text,
    type: { const: 'function' },
    function: object({ name: text, arguments: text }),
  }),
  ChatCompletion: object(
    {
      id: text,
      object: { const: 'chat.completion' },
      created: seconds,
      model: text,
      choices: list(
        object({
          index: count,
          message: object(
            { role: { const: 'assistant' }, content: nullable(text) },
            { refusal: nullable(text), tool_calls: nullable(list(ref('ToolCall'))) },
          ),
          finish_reason: finished,
        }),
      ),
    },
    { usage: nullable(tokens) },
  ),
  Completion: object(
    {
      id: text,
      object: { const: 'text_completion' },
      created: seconds,
      model: text,
      choices: list(object({ index: count, text, finish_reason: finished })),
    },
    { usage: nullable(tokens) },
  ),
  Message: object({
    id: text,
    type: { const: 'message' },
    role: { const: 'assistant' },
    model: text,
    content: list(object({ type: { enum: ['text', 'thinking', 'tool_use'] } })),
    stop_reason: { enum: ['end_turn', 'max_tokens', 'stop_sequence', 'tool_use', 'refusal'] },
    stop_sequence: nullable(text),
    usage: object({
      ...{ input_tokens: count, output_tokens: count },
      ...{ cache_creation_input_tokens: count, cache_read_input_tokens: count },
    }),
  }),
  MessageTokensCount: object({ input_tokens: count }),
  AnthropicErrorResponse: object({
    type: { const: 'error' },
    error: object({ type: text, message: text }),
    request_id: text,
  }),
  EngineAnswer: { description: 'The answer of the engine, unchanged.' },
  EmbeddingList: object({
    object: { const: 'list' },
    model: text,
    data: list(
      object({
        object: { const: 'embedding' },
        index: count,
        embedding: {
          description: 'Base64 of little-endian 32-bit floats if `encoding_format` is `base64`.',
          anyOf: [list(number), text],
        },
      }),
    ),
    usage: object({ prompt_tokens: count, total_tokens: count }),
  }),
};

const itemStatus: JsonSchema = { enum: ['in_progress', 'completed', 'incomplete'] };
const responseUsage = object({
  input_tokens: count,
  input_tokens_details: object({ cached_tokens: count, cache_write_tokens: count }),
  output_tokens: count,
  output_tokens_details: object({ reasoning_tokens: count }),
  total_tokens: count,
});
const responses: Record<string, JsonSchema> = {
  OutputItem: {
    anyOf: [
      object({
        id: text,
        type: { const: 'message' },
        role: { const: 'assistant' },
        status: itemStatus,
        content: list(
          object({
            type: { const: 'output_text' },
            text,
            annotations: list(anything),
            logprobs: list(anything),
          }),
        ),
      }),
      object({
        id: text,
        type: { const: 'function_call' },
        call_id: text,
        name: text,
        arguments: text,
        status: itemStatus,
      }),
      object({
        id: text,
        type: { const: 'custom_tool_call' },
        call_id: text,
        name: text,
        input: text,
        status: itemStatus,
      }),
      object({
        id: text,
        type: { const: 'reasoning' },
        summary: list(anything),
        content: list(anything),
        status: itemStatus,
      }),
    ],
  },
  Response: object({
    id: text,
    object: { const: 'response' },
    created_at: seconds,
    status: { enum: ['queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled'] },
    background: flag,
    completed_at: nullable(seconds),
    error: nullable(object({ code: text, message: text })),
    incomplete_details: nullable(object({ reason: { enum: ['max_output_tokens', 'content_filter'] } })),
    instructions: nullable(text),
    model: text,
    output: list(ref('OutputItem')),
    usage: nullable(responseUsage),
    previous_response_id: nullable(text),
    max_output_tokens: nullable(count),
    max_tool_calls: nullable(count),
    parallel_tool_calls: flag,
    tool_choice: anything,
    tools: list(anything),
    text: object({ format: anything }),
    reasoning: nullable(anything),
    temperature: number,
    top_p: number,
    top_logprobs: count,
    presence_penalty: number,
    frequency_penalty: number,
    truncation: { enum: ['auto', 'disabled'] },
    service_tier: text,
    store: flag,
    metadata: record(text),
    prompt_cache_key: nullable(text),
    safety_identifier: nullable(text),
    user: nullable(text),
  }),
  InputItemList: pageOf(ref('Item')),
  DeletedResponse: deleted('response'),
  CompactedResponse: object({
    ...{ id: text, object: { const: 'response.compaction' }, created_at: seconds },
    ...{ output: list(ref('Item')), usage: responseUsage },
  }),
  InputTokens: object({ object: { const: 'response.input_tokens' }, input_tokens: count }),
  Conversation: object({
    ...{ id: text, object: { const: 'conversation' }, created_at: seconds, metadata: record(text) },
  }),
  DeletedConversation: deleted('conversation.deleted'),
  Item: object({ id: text, type: text }),
  ItemList: pageOf(ref('Item')),
  ChatCompletionList: pageOf(ref('ChatCompletion')),
  DeletedChatCompletion: deleted('chat.completion.deleted'),
  ChatMessageList: pageOf({ type: 'object' }),
};

const batchUsage = object({
  input_tokens: count,
  input_tokens_details: object({ cached_tokens: count }),
  output_tokens: count,
  output_tokens_details: object({ reasoning_tokens: count }),
  total_tokens: count,
});
const stored: Record<string, JsonSchema> = {
  File: object({
    id: text,
    object: { const: 'file' },
    bytes: count,
    created_at: seconds,
    filename: text,
    purpose: text,
    status: { enum: ['uploaded', 'processed', 'error'] },
    expires_at: nullable(seconds),
  }),
  FileList: pageOf(ref('File')),
  DeletedFile: deleted('file'),
  Batch: object(
    {
      id: text,
      object: { const: 'batch' },
      endpoint: text,
      errors: nullable(
        object({
          object: { const: 'list' },
          data: list(object({ code: text, message: text, param: nullable(text), line: nullable(count) })),
        }),
      ),
      input_file_id: text,
      completion_window: { const: '24h' },
      status: { enum: BATCH_STATUSES },
      output_file_id: nullable(text),
      error_file_id: nullable(text),
      created_at: seconds,
      expires_at: seconds,
      ...Object.fromEntries(
        ['in_progress', 'finalizing', 'completed', 'failed', 'expired', 'cancelling', 'cancelled'].map(
          status => [`${status}_at`, nullable(seconds)],
        ),
      ),
      request_counts: object({ total: count, completed: count, failed: count }),
      metadata: nullable(record(text)),
    },
    { model: text, usage: batchUsage },
  ),
  BatchList: pageOf(ref('Batch')),
  Job: object({
    id: text,
    object: { const: 'job' },
    status: { enum: ['queued', 'in_progress', 'completed', 'failed', 'cancelled'] },
    endpoint: text,
    model: text,
    created_at: seconds,
    expires_at: seconds,
  }),
  DeletedJob: deleted('job'),
};

const endpoint = {
  id: text,
  object: { const: 'webhook_endpoint' },
  created_at: seconds,
  updated_at: seconds,
  name: text,
  url: text,
  event_types: list({ enum: EVENT_TYPES }),
  signing_secret_hint: nullable(text),
  status: { enum: ['enabled', 'disabled'] },
  disabled_reason: nullable({ enum: ['gone', 'failing', 'by_request'] }),
  managed_by: { enum: ['operator', 'api'] },
  consecutive_failures: count,
  paused_until: nullable(seconds),
};
const webhooks: Record<string, JsonSchema> = {
  WebhookEndpoint: object(endpoint),
  WebhookEndpointWithSecret: object({ ...endpoint, signing_secret: text }),
  WebhookEndpointList: pageOf(ref('WebhookEndpoint')),
  DeletedWebhookEndpoint: deleted('webhook_endpoint.deleted'),
  WebhookEndpointTest: object({
    object: { const: 'webhook_endpoint.test' },
    success: { const: true },
    webhook_endpoint_id: text,
    event_type: { enum: EVENT_TYPES },
    event_id: text,
    status_code: count,
  }),
  WebhookEventTypeList: object({ object: { const: 'list' }, data: list({ enum: EVENT_TYPES }) }),
  WebhookDelivery: object({
    id: text,
    object: { const: 'webhook_endpoint.delivery' },
    webhook_endpoint_id: text,
    event_id: text,
    event_type: { enum: EVENT_TYPES },
    resource_id: text,
    created_at: seconds,
    status: { enum: ['pending', 'delivered', 'failed'] },
    attempts: list(
      object({
        attempt: count,
        attempted_at: seconds,
        status_code: nullable(count),
        error: nullable(text),
        duration_ms: number,
      }),
    ),
  }),
  WebhookDeliveryList: pageOf(ref('WebhookDelivery')),
};

export const OBJECTS: Record<string, JsonSchema> = {
  ...inference,
  ...responses,
  ...stored,
  ...webhooks,
  RequestTrail: object({
    id: text,
    object: { const: 'request' },
    status: { enum: ['open', 'ended', ...RUN_STATUSES] },
    events: list(
      object(
        { kind: { enum: TRAIL_KINDS }, at: number, after_ms: count, by: text, text },
        {
          ...{ endpoint: text, model: text, lane: text, size: text, prompt_tokens: count, worker: text },
          ...{ attempt: count, ms: number, reason: text, message: text },
        },
      ),
    ),
  }),
  Health: object({ status: text }),
  Version: object({ name: text, version: text }),
  Index: object({ object: { const: 'api' }, name: text, version: text, routes: list(text) }),
  ErrorResponse: object({
    error: object({ message: text, type: text, param: nullable(text), code: nullable(text) }),
  }),
};
