/** Request bodies as JSON Schema: made from the schemas that check them, so that the document cannot promise something else. */
import { z } from 'zod';
import { BATCH_PATHS } from '../batches/batch-line.ts';
import { FILE_PURPOSES } from '../batches/file.ts';
import { messagesSchema } from '../openai/chat-messages.ts';
import { chatFields } from '../openai/chat-request.ts';
import { completionFields } from '../openai/completion-request.ts';
import { embeddingFields } from '../openai/embedding-request.ts';
import { responsesFields } from '../responses/fields.ts';
import { webhookCreate, webhookRotate, webhookTest, webhookUpdate } from '../webhooks/requests.ts';
import type { JsonSchema } from './schema.ts';
import { nullable, object, record, text } from './schema.ts';

function fromZod(schema: z.ZodType): JsonSchema {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' });
  return rest as JsonSchema;
}

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
  CreateChatCompletion: fromZod(chatFields.extend({ messages: messagesSchema })),
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
