/** Request bodies as JSON Schema, generated from the schemas that check them, so that the two cannot differ. */
import { z } from 'zod';
import { countTokensFields, messagesFields } from '../anthropic/fields.ts';
import { batchCreate, fileForm } from '../batches/requests.ts';
import { PASSED_ON } from '../endpoints/passed-on.ts';
import { messagesSchema } from '../openai/chat-messages.ts';
import { chatFields } from '../openai/chat-request.ts';
import { completionFields } from '../openai/completion-request.ts';
import { completionUpdate } from '../openai/completion-update.ts';
import { embeddingFields } from '../openai/embedding-request.ts';
import { promptInputSchema } from '../openai/prompt-input.ts';
import { responsesFields } from '../responses/fields.ts';
import { webhookCreate, webhookRotate, webhookTest, webhookUpdate } from '../webhooks/requests.ts';
import type { JsonSchema } from './schema.ts';

function fromZod(schema: z.ZodType): JsonSchema {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' });
  return rest as JsonSchema;
}

/** The file itself is read as a stream, past every schema. */
const upload = fromZod(fileForm);
const file: JsonSchema = {
  ...upload,
  properties: {
    file: {
      type: 'string',
      contentMediaType: 'application/octet-stream',
      description: 'At most 512 MiB; of purpose `batch` 200 MiB.',
    },
    ...(upload['properties'] as JsonSchema),
  },
  required: ['file', ...(upload['required'] as string[])],
};

export const REQUESTS = {
  CreateChatCompletion: fromZod(chatFields.extend({ messages: messagesSchema })),
  CreateCompletion: fromZod(completionFields.extend({ prompt: promptInputSchema.nullish() })),
  CreateEmbedding: fromZod(
    embeddingFields.extend({ input: promptInputSchema.nullish(), messages: messagesSchema.nullish() }),
  ),
  CreateRerank: fromZod(PASSED_ON.rerank.fields),
  CreateScore: fromZod(PASSED_ON.score.fields),
  CreatePooling: fromZod(PASSED_ON.pooling.fields),
  CreateClassification: fromZod(PASSED_ON.classify.fields),
  CreateTokenization: fromZod(PASSED_ON.tokenize.fields),
  CreateDetokenization: fromZod(PASSED_ON.detokenize.fields),
  CreateModeration: fromZod(PASSED_ON.moderations.fields),
  CreateImage: fromZod(PASSED_ON.images.fields),
  CreateMessage: fromZod(messagesFields),
  CountTokens: fromZod(countTokensFields),
  CreateResponse: fromZod(responsesFields),
  UpdateChatCompletion: fromZod(completionUpdate),
  CreateFile: file,
  CreateBatch: fromZod(batchCreate),
  CreateWebhookEndpoint: fromZod(webhookCreate),
  UpdateWebhookEndpoint: fromZod(webhookUpdate),
  RotateWebhookSecret: fromZod(webhookRotate),
  TestWebhookEndpoint: fromZod(webhookTest),
} satisfies Record<string, JsonSchema>;
