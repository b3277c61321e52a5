/**
 * A prompt or an input to embed: a text, token ids, or a list of such. Checked by hand: a schema would make an issue for each of 300,000 ids
 * of the union's other branches. The schema beside it is what the API's description is made from; a test holds both to the same verdict.
 */
import { z } from 'zod';

/** Prompts, or inputs to embed, of one request. */
export const MAX_INPUTS = 2048;

export type PromptInput = string | readonly string[] | readonly number[] | readonly (readonly number[])[];

/** Bytes of English text per token, about. */
export const BYTES_PER_TOKEN = 4;

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

/** `promptBytes` of it: UTF-16 units; a token id counts as the text of one token. */
export function sizeOf(input: PromptInput | null | undefined): number {
  if (input === null || input === undefined) return 0;
  if (typeof input === 'string') return input.length;
  let size = 0;
  for (const item of input) {
    if (typeof item === 'string') size += item.length;
    else size += BYTES_PER_TOKEN * (typeof item === 'number' ? 1 : item.length);
  }
  return size;
}
