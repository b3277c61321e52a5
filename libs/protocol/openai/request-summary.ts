/** What dispatch needs to know about a request, for any endpoint. */
import type { ServiceTier } from './fields.ts';

export interface RequestSummary {
  readonly model: string;
  readonly stream: boolean;
  /** Limit on output tokens, where the client named one. */
  readonly maxTokens: number | null;
  /** UTF-16 units of prompt text; good enough to guess tokens from. */
  readonly promptBytes: number;
  readonly cacheKey: string | null;
  /** The client's name for its end user, `safety_identifier` or the older `user`. */
  readonly endUser: string | null;
  /** The conversation it is part of, where the client names one. */
  readonly conversation: string | null;
  /** Whether another engine could go on after a partial answer: plain text, one choice. */
  readonly continuable: boolean;
  /** `service_tier`, where the client named one. */
  readonly tier: ServiceTier | null;
  /** The answer is to be kept as a stored chat completion. */
  readonly store: boolean;
}

/** Bytes of English text per token, about. */
const BYTES_PER_TOKEN = 4;

export function estimatePromptTokens(promptBytes: number): number {
  return Math.ceil(promptBytes / BYTES_PER_TOKEN);
}

/** `promptBytes` of a prompt or an embedding input; token ids count as the text they may stand for. */
export function sizeOf(input: string | readonly (string | number | readonly number[])[]): number {
  if (typeof input === 'string') return input.length;
  let size = 0;
  for (const item of input) {
    size +=
      typeof item === 'string' ? item.length : BYTES_PER_TOKEN * (typeof item === 'number' ? 1 : item.length);
  }
  return size;
}
