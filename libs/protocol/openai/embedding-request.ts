/** `POST /v1/embeddings`: the fields that are checked, and what dispatch takes from them. */
import { z } from 'zod';
import { emptyProfile } from '../prompt/prompt-profile.ts';
import { checkMessages, messagesArray } from './chat-messages.ts';
import { checkFields, invalidValue, missingField } from './check-fields.ts';
import { endUserFields, modelField } from './fields.ts';
import { countPromptInput, promptInput } from './prompt-input.ts';
import type { RequestSummary } from './request-summary.ts';

export const embeddingFields = z.looseObject({
  model: modelField,
  input: promptInput.nullish(),
  // Instead of `input`: text and images, as vLLM embeds them.
  messages: messagesArray.nullish(),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).max(65_536).nullish(),
  user: endUserFields.user,
});

/** @throws DispatchError `invalid_request` with the field in `param`. */
export function validateEmbedding(value: unknown): RequestSummary {
  const body = checkFields(embeddingFields, value);
  const { input, messages } = body;
  if (input === '') throw invalidValue('input', 'expected a text that is not empty');
  if ((input ?? null) === null && !messages) throw missingField('input');
  const prompt = emptyProfile();
  countPromptInput(input, prompt);
  if (messages) checkMessages(messages, prompt);
  return {
    model: body.model,
    stream: false,
    maxTokens: null,
    prompt,
    cacheKey: null,
    endUser: null,
    conversation: null,
    continuable: false,
    ...{ tier: null, store: false },
  };
}
