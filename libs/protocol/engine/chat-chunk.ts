/** The parts of an engine's answer that are read here: of a chat chunk, or of a whole chat completion. */

import { parseExactText } from '../json/exact-json.ts';
import { parseEngineJson } from './engine-json.ts';

/** `usage` of a chat completion, as engines report it. */
export interface CompletionUsage {
  readonly prompt_tokens?: number;
  readonly completion_tokens?: number;
  readonly total_tokens?: number;
  readonly prompt_tokens_details?: { readonly cached_tokens?: number } | null;
  readonly completion_tokens_details?: { readonly reasoning_tokens?: number } | null;
}

export interface ToolCallDelta {
  readonly index?: number;
  readonly id?: string | null;
  /** `arguments` is JSON text; of some engines an object. */
  readonly function?: { readonly name?: string | null; readonly arguments?: string | object | null };
}

/** A chunk's `delta`, or a completion's `message`. */
export interface ChatDelta {
  /** Of some engines parts: see `readContent`. */
  readonly content?: string | readonly object[] | null;
  readonly reasoning_content?: string | null;
  readonly reasoning?: string | null;
  readonly refusal?: string | null;
  readonly tool_calls?: readonly ToolCallDelta[] | null;
  /** What older engines have in place of `tool_calls`, or beside it. */
  readonly function_call?: ToolCallDelta['function'] | null;
}

export interface ChatChunk {
  readonly choices?: readonly {
    readonly delta?: ChatDelta;
    readonly message?: ChatDelta;
    readonly logprobs?: { readonly content?: readonly object[] | null } | null;
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: CompletionUsage | null;
}

/** They become text again, and their numbers are to be those of the model. */
const OBJECT_ARGUMENTS = /"arguments"\s*:\s*\{/;

/** The data of an engine's event, or its whole answer. @throws where it is not a JSON object. */
export function readChunk(data: string): ChatChunk {
  const chunk = OBJECT_ARGUMENTS.test(data) ? parseExactText(data) : parseEngineJson(data);
  if (typeof chunk !== 'object' || chunk === null || Array.isArray(chunk))
    throw new TypeError('the engine sent JSON that is not an object');
  return chunk;
}

/** Whether an answer with this finish reason is not whole: as a response it is `incomplete`. */
export function isCutShort(finishReason: string | null | undefined): boolean {
  return finishReason === 'length' || finishReason === 'content_filter';
}
