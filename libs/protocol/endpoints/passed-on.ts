/**
 * Requests that are passed to the engine as they are. Only what every engine with the endpoint needs is checked here, and what
 * dispatch has to know; the rest, and all further fields, are the engine's to judge.
 */
import { z } from 'zod';
import { countTokensFields, messagesFields } from '../anthropic/fields.ts';
import { checkFields } from '../openai/check-fields.ts';
import { endUserFields, modelField } from '../openai/fields.ts';
import { MAX_INPUTS } from '../openai/prompt-input.ts';
import type { RequestSummary } from '../openai/request-summary.ts';
import { countInput } from '../prompt/count-parts.ts';
import { emptyProfile } from '../prompt/prompt-profile.ts';
import type { Endpoint } from '../wire/endpoints.ts';

/** Endpoints whose requests are checked by this file's schemas alone. */
export type PassedOn = Exclude<Endpoint, 'chat' | 'completions' | 'embeddings'>;

interface PassedOnRequest {
  readonly fields: z.ZodObject<{ model: typeof modelField }>;
  /** Fields whose text is the prompt: its size is estimated from them. */
  readonly prompt: readonly string[];
}

const texts = z.union([z.string(), z.array(z.unknown()).min(1).max(MAX_INPUTS)]);
const anyInput = { input: z.unknown().optional(), messages: z.array(z.looseObject({})).nullish() };

/** Of a form, in which all values are text; of a file its name. */
const audioForm = z.looseObject({
  file: z.string().describe('The recording.'),
  model: modelField,
  prompt: z.string().nullish(),
  response_format: z.string().nullish(),
});

export const PASSED_ON: Readonly<Record<PassedOn, PassedOnRequest>> = {
  rerank: {
    fields: z.looseObject({
      model: modelField,
      query: z.union([z.string(), z.looseObject({})]).describe('What the documents are compared with.'),
      documents: z
        .union([z.array(z.union([z.string(), z.looseObject({})])).min(1), z.looseObject({})])
        .describe('Texts, or objects as the engine takes them.'),
      top_n: z.int().min(1).nullish().describe('How many results to return; all where it is left out.'),
    }),
    prompt: ['query', 'documents'],
  },
  score: {
    fields: z.looseObject({ model: modelField }),
    prompt: ['text_1', 'text_2', 'queries', 'documents', 'items', 'query', 'data_1', 'data_2'],
  },
  pooling: {
    fields: z.looseObject({ model: modelField, ...anyInput }),
    prompt: ['input', 'messages', 'data'],
  },
  classify: {
    fields: z.looseObject({ model: modelField, ...anyInput }),
    prompt: ['input', 'messages', 'text'],
  },
  tokenize: {
    fields: z.looseObject({
      model: modelField,
      prompt: z.unknown().optional().describe('Text to tokenize; llama.cpp calls it `content`.'),
      messages: z.array(z.looseObject({})).nullish().describe('A chat to tokenize, instead of a text.'),
    }),
    prompt: [],
  },
  detokenize: {
    fields: z.looseObject({ model: modelField, tokens: z.unknown().optional().describe('Token ids.') }),
    prompt: [],
  },
  moderations: {
    fields: z.looseObject({
      model: modelField,
      input: texts.describe('Texts, or parts with text or an image.'),
    }),
    prompt: ['input'],
  },
  images: {
    fields: z.looseObject({
      model: modelField,
      prompt: z.string().min(1).describe('What the image is to show.'),
      n: z.int().min(1).max(10).nullish(),
      user: endUserFields.user,
    }),
    prompt: ['prompt'],
  },
  speech: {
    fields: z.looseObject({
      model: modelField,
      input: z.string().min(1).describe('What is to be said.'),
      voice: z.unknown().optional(),
    }),
    prompt: ['input'],
  },
  messages: { fields: messagesFields, prompt: ['system', 'tools', 'messages'] },
  messageTokens: { fields: countTokensFields, prompt: [] },
  transcriptions: { fields: audioForm, prompt: ['prompt'] },
  translations: { fields: audioForm, prompt: ['prompt'] },
};

/** @throws DispatchError `invalid_request` with the field in `param`. */
export function validatePassedOn(endpoint: PassedOn, value: unknown): RequestSummary {
  const { fields, prompt } = PASSED_ON[endpoint];
  const body = checkFields(fields, value) as Record<string, unknown> & { model: string };
  const counted = emptyProfile();
  for (const field of prompt) countInput(body[field], counted);
  return {
    model: body.model,
    prompt: counted,
    ...{ stream: false, maxTokens: null, continuable: false },
    ...{ cacheKey: null, endUser: null, conversation: null, tier: null, store: false },
  };
}
