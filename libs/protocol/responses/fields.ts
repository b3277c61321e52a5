/** Fields of a request to OpenAI's Responses API. Those that an engine's chat API does not have are refused if they would change the answer. */
import { z } from 'zod';
import { DispatchError } from '../errors/errors.ts';
import { invalidValue } from '../openai/check-fields.ts';
import {
  countUpTo,
  endUserFields,
  metadataField,
  modelField,
  outputTokensField,
  penaltyField,
  temperatureField,
  tierField,
  topPField,
} from '../openai/fields.ts';
import { conversationField } from './conversation.ts';

const notServed = (error: string) => z.null({ error }).optional();

export const responsesFields = z.looseObject({
  model: modelField,
  input: z.union([z.string(), z.array(z.looseObject({})).min(1)], {
    error: 'expected a string or an array of at least 1 item',
  }),
  instructions: z.string().nullish(),
  background: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  store: z.boolean().nullish(),
  previous_response_id: z.string().max(64).nullish(),
  max_output_tokens: outputTokensField,
  temperature: temperatureField,
  top_p: topPField,
  presence_penalty: penaltyField,
  frequency_penalty: penaltyField,
  max_tool_calls: countUpTo(1_000_000),
  tools: z.array(z.looseObject({ type: z.string() })).nullish(),
  tool_choice: z.union([z.string(), z.looseObject({ type: z.string() })]).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  text: z
    .looseObject({ format: z.looseObject({ type: z.string() }).nullish(), verbosity: z.string().nullish() })
    .nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  include: z.array(z.string()).nullish(),
  reasoning: z.looseObject({ effort: z.string().nullish() }).nullish(),
  metadata: metadataField,
  service_tier: tierField,
  ...endUserFields,
  truncation: z.enum(['auto', 'disabled']).nullish(),
  conversation: conversationField,
  prompt: notServed('stored prompts are not kept here; put the text into instructions and input'),
});
export type ResponsesFields = z.infer<typeof responsesFields>;

export function refuse(message: string, param: string): never {
  throw new DispatchError('invalid_request', { message, param });
}

/** @param at the field, such as `input[0].role`. @param expected what to send instead. */
export function refuseAt(at: string, expected: string): never {
  throw invalidValue(at, expected);
}
