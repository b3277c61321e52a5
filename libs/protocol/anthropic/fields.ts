/** `POST /v1/messages` and `…/count_tokens`: the fields that are checked. Others are tolerated: clients send what their API gains. */
import { z } from 'zod';
import { modelField } from '../openai/fields.ts';

const MAX_MESSAGES = 100_000;

const block = z.looseObject({ type: z.string() });
const blocks = z.array(block);

/** What both have in common. */
const promptFields = {
  model: modelField,
  messages: z
    .array(z.looseObject({ role: z.string(), content: z.union([z.string(), blocks]) }))
    .min(1)
    .max(MAX_MESSAGES),
  system: z.union([z.string(), blocks]).nullish(),
  tools: z.array(z.looseObject({ name: z.string().min(1).max(256) })).nullish(),
  tool_choice: z.looseObject({ type: z.enum(['auto', 'any', 'tool', 'none']) }).nullish(),
  thinking: z.looseObject({ type: z.string() }).nullish(),
};

export const countTokensFields = z.looseObject(promptFields);

export const messagesFields = z.looseObject({
  ...promptFields,
  max_tokens: z.int().min(1).max(10_000_000),
  stream: z.boolean().nullish(),
  stop_sequences: z.array(z.string()).max(8191).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(-1).nullish(),
  metadata: z.looseObject({ user_id: z.string().nullish() }).nullish(),
});

export type MessagesPrompt = z.infer<typeof countTokensFields>;
export type MessagesFields = z.infer<typeof messagesFields>;
export type Block = z.infer<typeof block>;
