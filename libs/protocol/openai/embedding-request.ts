/** `POST /v1/embeddings`: the fields that are checked, and what dispatch takes from them. */
import { z } from 'zod';
import { checkFields } from './check-fields.ts';
import { endUserFields, MAX_INPUTS, modelField } from './fields.ts';
import { type RequestSummary, sizeOf } from './request-summary.ts';

export const embeddingFields = z.looseObject({
  model: modelField,
  input: z.union([
    z.string().min(1),
    z.array(z.string().min(1)).min(1).max(MAX_INPUTS),
    z.array(z.int()).min(1).max(MAX_INPUTS),
    z.array(z.array(z.int()).min(1)).min(1).max(MAX_INPUTS),
  ]),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).max(65_536).nullish(),
  user: endUserFields.user,
});

/** @throws DispatchError `invalid_request` with the field in `param`. */
export function validateEmbedding(value: unknown): RequestSummary {
  const body = checkFields(embeddingFields, value);
  return {
    model: body.model,
    stream: false,
    maxTokens: null,
    promptBytes: sizeOf(body.input),
    cacheKey: null,
    endUser: null,
    conversation: null,
    continuable: false,
    ...{ tier: null, store: false },
  };
}
