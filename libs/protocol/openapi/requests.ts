/** Request bodies as JSON Schema: made from the schemas that check them, so that the document cannot promise something else. */
import { z } from 'zod';
import { FILE_PURPOSES } from '../batch.ts';
import { BATCH_PATHS } from '../batch-line.ts';
import { chatFields, completionFields, embeddingFields, MAX_MESSAGES, MAX_PARTS } from '../openai.ts';
import { responsesFields } from '../responses-request.ts';
import { webhookCreate, webhookRotate, webhookTest, webhookUpdate } from '../webhook.ts';
import type { JsonSchema } from './schema.ts';
import { nullable, object, record, text } from './schema.ts';

function fromZod(schema: z.ZodType, by: Record<string, JsonSchema> = {}): JsonSchema {
  const {
    $schema: _dialect,
    properties,
    ...rest
  } = z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' });
  return { ...rest, properties: { ...properties, ...by } } as JsonSchema;
}

const part: JsonSchema = {
  type: 'object',
  required: ['type'],
  anyOf: [
    { properties: { type: { const: 'text' }, text }, required: ['text'] },
    { properties: { type: { type: 'string', not: { const: 'text' } } } },
  ],
};
const content: JsonSchema = {
  anyOf: [text, { type: 'array', items: part, minItems: 1, maxItems: MAX_PARTS }],
};

/** Checked by hand for speed (`openai.ts`), so described by hand too. */
const message: JsonSchema = {
  anyOf: [
    {
      ...object({ role: { enum: ['system', 'developer', 'user', 'tool', 'function'] }, content }),
      required: ['role', 'content'],
    },
    {
      ...object({ role: { const: 'assistant' }, content: nullable(content) }),
      required: ['role'],
    },
  ],
};

const lifeS: JsonSchema = { type: 'integer', minimum: 3600, maximum: 2_592_000 };

const file: JsonSchema = {
  type: 'object',
  required: ['file', 'purpose'],
  properties: {
    file: {
      type: 'string',
      contentMediaType: 'application/octet-stream',
      description: 'At most 512 MiB; of purpose `batch` 200 MiB.',
    },
    purpose: { enum: FILE_PURPOSES },
    'expires_after[anchor]': { const: 'created_at' },
    'expires_after[seconds]': lifeS,
  },
};

const batch: JsonSchema = {
  ...object({
    input_file_id: { ...text, description: 'A file with purpose `batch`.' },
    endpoint: { enum: Object.values(BATCH_PATHS) },
    completion_window: { const: '24h' },
    metadata: { ...nullable(record({ ...text, maxLength: 512 })), maxProperties: 16 },
    output_expires_after: nullable(object({ anchor: { const: 'created_at' }, seconds: lifeS })),
  }),
  required: ['input_file_id', 'endpoint', 'completion_window'],
};

export const REQUESTS = {
  CreateChatCompletion: fromZod(chatFields, {
    messages: { type: 'array', items: message, minItems: 1, maxItems: MAX_MESSAGES },
  }),
  CreateCompletion: fromZod(completionFields),
  CreateEmbedding: fromZod(embeddingFields),
  CreateResponse: fromZod(responsesFields),
  UpdateChatCompletion: {
    ...object({ metadata: { ...nullable(record({ ...text, maxLength: 512 })), maxProperties: 16 } }),
    required: ['metadata'],
  },
  CreateFile: file,
  CreateBatch: batch,
  CreateWebhookEndpoint: fromZod(webhookCreate),
  UpdateWebhookEndpoint: fromZod(webhookUpdate),
  RotateWebhookSecret: fromZod(webhookRotate),
  TestWebhookEndpoint: fromZod(webhookTest),
} satisfies Record<string, JsonSchema>;
