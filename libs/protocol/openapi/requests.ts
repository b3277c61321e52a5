/** Request bodies as JSON Schema, generated from the schemas that check them, so that the two cannot differ. */
import { z } from 'zod';
import {
  adminKeyCreate,
  modelPermissionsUpdate,
  projectCreate,
  projectKeyUpdate,
  projectUpdate,
  rateLimitUpdate,
  serviceAccountCreate,
  serviceAccountKeyCreate,
  serviceAccountUpdate,
} from '../access/requests.ts';
import { countTokensFields, messagesFields } from '../anthropic/fields.ts';
import { batchCreate, fileForm } from '../batches/requests.ts';
import { PASSED_ON } from '../endpoints/passed-on.ts';
import { messagesSchema } from '../openai/chat-messages.ts';
import { chatFields } from '../openai/chat-request.ts';
import { completionFields } from '../openai/completion-request.ts';
import { completionUpdate } from '../openai/completion-update.ts';
import { embeddingFields } from '../openai/embedding-request.ts';
import { promptInputSchema } from '../openai/prompt-input.ts';
import { compactFields } from '../responses/compaction.ts';
import { conversationAddition, conversationCreate, conversationUpdate } from '../responses/conversation.ts';
import { responsesFields } from '../responses/fields.ts';
import { webhookCreate, webhookRotate, webhookTest, webhookUpdate } from '../webhooks/requests.ts';
import type { JsonSchema } from './schema.ts';

function fromZod(schema: z.ZodType): JsonSchema {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' });
  return rest as JsonSchema;
}

/** A form with a file, which is read past every schema: it has no type, since any bytes are one (OpenAPI 3.1.1, file uploads). */
function withFile(form: z.ZodType, description: string): JsonSchema {
  const { properties, required, ...rest } = fromZod(form);
  const { file: _name, ...fields } = properties as JsonSchema;
  const others = (required as string[]).filter(name => name !== 'file');
  const file = { contentMediaType: 'application/octet-stream', description };
  return { ...rest, properties: { file, ...fields }, required: ['file', ...others] };
}

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
  CreateSpeech: fromZod(PASSED_ON.speech.fields),
  CreateTranscription: withFile(PASSED_ON.transcriptions.fields, 'The recording.'),
  CreateTranslation: withFile(PASSED_ON.translations.fields, 'The recording.'),
  CreateMessage: fromZod(messagesFields),
  CountTokens: fromZod(countTokensFields),
  CreateResponse: fromZod(responsesFields),
  CompactResponse: fromZod(compactFields),
  CreateConversation: fromZod(conversationCreate),
  UpdateConversation: fromZod(conversationUpdate),
  AddConversationItems: fromZod(conversationAddition),
  UpdateChatCompletion: fromZod(completionUpdate),
  CreateFile: withFile(fileForm, 'At most 512 MiB; of purpose `batch` 200 MiB.'),
  CreateBatch: fromZod(batchCreate),
  CreateWebhookEndpoint: fromZod(webhookCreate),
  UpdateWebhookEndpoint: fromZod(webhookUpdate),
  RotateWebhookSecret: fromZod(webhookRotate),
  TestWebhookEndpoint: fromZod(webhookTest),
  CreateProject: fromZod(projectCreate),
  UpdateProject: fromZod(projectUpdate),
  UpdateModelPermissions: fromZod(modelPermissionsUpdate),
  UpdateRateLimit: fromZod(rateLimitUpdate),
  UpdateProjectKey: fromZod(projectKeyUpdate),
  CreateServiceAccount: fromZod(serviceAccountCreate),
  UpdateServiceAccount: fromZod(serviceAccountUpdate),
  CreateServiceAccountKey: fromZod(serviceAccountKeyCreate),
  CreateAdminKey: fromZod(adminKeyCreate),
} satisfies Record<string, JsonSchema>;
