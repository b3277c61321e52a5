/** What dispatch needs to know about a request, for any endpoint. */
import { BYTES_PER_TOKEN } from './prompt-input.ts';

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
  readonly tier: string | null;
  /** The answer is to be kept as a stored chat completion. */
  readonly store: boolean;
}

export function estimatePromptTokens(promptBytes: number): number {
  return Math.ceil(promptBytes / BYTES_PER_TOKEN);
}
