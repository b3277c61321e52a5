/**
 * A prompt or an input to embed: a text, token ids, or a list of such. Checked by hand: a schema would make an issue for each of 300,000 ids
 * of the union's other branches. The schema beside it is what the API's description is made from; a test holds both to the same verdict.
 */
import { z } from 'zod';
import { countInput } from '../prompt/count-parts.ts';
import type { PromptProfile } from '../prompt/prompt-profile.ts';

/** Prompts, or inputs to embed, of one request. */
export const MAX_INPUTS = 2048;

export type PromptInput = string | readonly string[] | readonly number[] | readonly (readonly number[])[];

/** As a field of a request; absent where something else stands for it (`prompt_embeds`, `messages`). */
export const promptInput = z.custom<PromptInput>(isPromptInput, {
  error: `expected a text or token ids, or a list of 1 to ${MAX_INPUTS} of one kind`,
});

function isPromptInput(value: unknown): value is PromptInput {
  if (typeof value === 'string') return true;
  if (!Array.isArray(value) || value.length === 0) return false;
  if (Number.isInteger(value[0])) return isTokens(value);
  if (value.length > MAX_INPUTS) return false;
  return value.every(item => typeof item === 'string') || value.every(isTokens);
}

function isTokens(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every(Number.isInteger);
}

/** All that {@link promptInput} checks, as one schema: for descriptions and tests. */
export const promptInputSchema = z.union([
  z.string(),
  z.array(z.string()).min(1).max(MAX_INPUTS),
  z.array(z.int()).min(1),
  z.array(z.array(z.int()).min(1)).min(1).max(MAX_INPUTS),
]);

/** Texts, or token ids. */
export function countPromptInput(input: PromptInput | null | undefined, into: PromptProfile): void {
  if (input !== null && input !== undefined) countInput(input, into);
}
