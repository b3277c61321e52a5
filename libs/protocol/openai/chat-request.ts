/** `POST /v1/chat/completions`: the fields that are checked, and what dispatch takes from them. */
import { z } from 'zod';
import { checkMessages, messagesArray } from './chat-messages.ts';
import { checkFields } from './check-fields.ts';
import { generationFields, maxTokensField, metadataField, sessionOf, tierField } from './fields.ts';
import type { RequestSummary } from './request-summary.ts';

export const chatFields = z.looseObject({
  ...generationFields,
  messages: messagesArray,
  max_completion_tokens: maxTokensField,
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  tools: z.array(z.looseObject({})).max(256).nullish(),
  response_format: z.looseObject({ type: z.string() }).nullish(),
  service_tier: tierField,
  metadata: metadataField,
  store: z.boolean().nullish(),
  parallel_tool_calls: z.boolean().nullish(),
});

/** @throws DispatchError `invalid_request` with the field in `param`. */
export function validateChat(value: unknown): RequestSummary {
  const body = checkFields(chatFields, value);
  const promptBytes = checkMessages(body.messages);
  const format = body.response_format?.type ?? 'text';
  return {
    model: body.model,
    stream: body.stream ?? false,
    maxTokens: body.max_completion_tokens ?? body.max_tokens ?? null,
    promptBytes,
    ...sessionOf(body),
    continuable: (body.n ?? 1) === 1 && !body.tools?.length && !body.logprobs && format === 'text',
    tier: body.service_tier ?? null,
    store: body.store ?? false,
  };
}
