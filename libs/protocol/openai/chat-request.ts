/** `POST /v1/chat/completions`: the fields that are checked, and what dispatch takes from them. */
import { z } from 'zod';
import { countJson } from '../prompt/count-parts.ts';
import { emptyProfile } from '../prompt/prompt-profile.ts';
import { checkMessages, messagesArray } from './chat-messages.ts';
import { checkFields } from './check-fields.ts';
import { generationFields, limitOf, maxTokensField, metadataField, sessionOf, tierField } from './fields.ts';
import type { RequestSummary } from './request-summary.ts';

export const chatFields = z.looseObject({
  ...generationFields,
  messages: messagesArray,
  max_completion_tokens: maxTokensField,
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  tools: z.array(z.looseObject({})).nullish(),
  response_format: z.looseObject({ type: z.string() }).nullish(),
  service_tier: tierField,
  // Tracing tools nest what they like; only of a completion that is stored it is the API's own.
  metadata: z.looseObject({}).nullish(),
  store: z.boolean().nullish(),
  parallel_tool_calls: z.boolean().nullish(),
});

/** What is kept with a completion that is stored, beyond the fields of all. */
const storedFields = z.looseObject({ metadata: metadataField });

/** @throws DispatchError `invalid_request` with the field in `param`. */
export function validateChat(value: unknown): RequestSummary {
  const body = checkFields(chatFields, value);
  if (body.store) checkFields(storedFields, value);
  const prompt = emptyProfile();
  checkMessages(body.messages, prompt);
  if (body.tools?.length) countJson(body.tools, prompt);
  const format = body.response_format?.type ?? 'text';
  return {
    model: body.model,
    stream: body.stream ?? false,
    maxTokens: limitOf(body.max_completion_tokens, body.max_tokens),
    prompt,
    ...sessionOf(body),
    continuable: (body.n ?? 1) === 1 && !body.tools?.length && !body.logprobs && format === 'text',
    tier: body.service_tier ?? null,
    store: body.store ?? false,
    ...(body.store === false ? { keepsNothing: true } : {}),
  };
}
