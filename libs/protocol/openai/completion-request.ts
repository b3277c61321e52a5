/** `POST /v1/completions`: the fields that are checked, and what dispatch takes from them. */
import { z } from 'zod';
import { checkFields } from './check-fields.ts';
import { countUpTo, generationFields, MAX_INPUTS, sessionOf } from './fields.ts';
import { type RequestSummary, sizeOf } from './request-summary.ts';

/** Output tokens of a completion that names no limit. */
const DEFAULT_MAX_TOKENS = 16;

export const completionFields = z.looseObject({
  ...generationFields,
  prompt: z.union([
    z.string(),
    z.array(z.string()).min(1).max(MAX_INPUTS),
    z.array(z.int()).min(1),
    z.array(z.array(z.int()).min(1)).min(1).max(MAX_INPUTS),
  ]),
  best_of: countUpTo(20),
  echo: z.boolean().nullish(),
  suffix: z.string().nullish(),
  logprobs: z.int().min(0).max(5).nullish(),
});

/** @throws DispatchError `invalid_request` with the field in `param`. */
export function validateCompletion(value: unknown): RequestSummary {
  const body = checkFields(completionFields, value);
  return {
    model: body.model,
    stream: body.stream ?? false,
    maxTokens: body.max_tokens ?? DEFAULT_MAX_TOKENS,
    promptBytes: sizeOf(body.prompt),
    ...sessionOf(body),
    continuable:
      typeof body.prompt === 'string' && (body.n ?? 1) === 1 && !body.logprobs && !body.echo && !body.suffix,
    ...{ tier: null, store: false },
  };
}
