/** Counts of tokens as engines say them: what is none is as if it were not said. */
import { isObject } from '../json/is-object.ts';
import type { CompletionUsage } from './chat-chunk.ts';

/** Far more than any prompt or answer has. */
const MOST = 1_000_000_000;

export function tokenCount(said: unknown): number | undefined {
  return typeof said === 'number' && Number.isInteger(said) && said >= 0 && said <= MOST ? said : undefined;
}

/** What can be used of a usage. Null for what is none. */
export function readUsage(said: unknown): CompletionUsage | null {
  if (!isObject(said)) return null;
  const { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details, completion_tokens_details } =
    said;
  const cached = isObject(prompt_tokens_details)
    ? tokenCount(prompt_tokens_details['cached_tokens'])
    : undefined;
  const reasoning = isObject(completion_tokens_details)
    ? tokenCount(completion_tokens_details['reasoning_tokens'])
    : undefined;
  return told({
    prompt_tokens: tokenCount(prompt_tokens),
    completion_tokens: tokenCount(completion_tokens),
    total_tokens: tokenCount(total_tokens),
    prompt_tokens_details: cached === undefined ? undefined : { cached_tokens: cached },
    completion_tokens_details: reasoning === undefined ? undefined : { reasoning_tokens: reasoning },
  });
}

function told(fields: Record<string, unknown>): CompletionUsage {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
