/** What dispatch needs to know about a request, for any endpoint. */
import type { PromptProfile } from '../prompt/prompt-profile.ts';

export interface RequestSummary {
  readonly model: string;
  readonly stream: boolean;
  /** Limit on output tokens, where the client named one. */
  readonly maxTokens: number | null;
  /** What its tokens are estimated from. */
  readonly prompt: Readonly<PromptProfile>;
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
  /** Its client says that nothing is to be kept. */
  readonly keepsNothing?: boolean;
}
