/** `POST /v1/completions`: the fields that are checked, and what dispatch takes from them. */
import { z } from 'zod';
import { countEmbeddings } from '../prompt/count-parts.ts';
import { emptyProfile } from '../prompt/prompt-profile.ts';
import { checkFields, missingField } from './check-fields.ts';
import { countUpTo, generationFields, limitOf, sessionOf } from './fields.ts';
import { countPromptInput, promptInput } from './prompt-input.ts';
import type { RequestSummary } from './request-summary.ts';

/** Output tokens of a completion that names no limit. */
const DEFAULT_MAX_TOKENS = 16;

export const completionFields = z.looseObject({
  ...generationFields,
  prompt: promptInput.nullish(),
  best_of: countUpTo(20),
  echo: z.boolean().nullish(),
  suffix: z.string().nullish(),
  // OpenAI gives up to 5, vLLM 20 and more.
  logprobs: z.int().min(-1).max(1000).nullish(),
});

/** @throws DispatchError `invalid_request` with the field in `param`. */
export function validateCompletion(value: unknown): RequestSummary {
  const body = checkFields(completionFields, value);
  const { prompt_embeds: embeds } = body;
  if ((body.prompt ?? null) === null && (embeds ?? null) === null) throw missingField('prompt');
  const prompt = emptyProfile();
  countPromptInput(body.prompt, prompt);
  countEmbeddings(embeds, prompt);
  return {
    model: body.model,
    stream: body.stream ?? false,
    maxTokens: limitOf(body.max_tokens ?? DEFAULT_MAX_TOKENS),
    prompt,
    ...sessionOf(body),
    continuable:
      typeof body.prompt === 'string' && (body.n ?? 1) === 1 && !body.logprobs && !body.echo && !body.suffix,
    ...{ tier: null, store: false },
  };
}
