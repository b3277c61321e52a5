/** Token usage as engines report it: read from the end of an answer without parsing it, or from a parsed completion. */
import type { CompletionUsage } from '../engine/chat-chunk.ts';
import { readUsage } from '../engine/token-count.ts';

/** Where usage can be: within so many bytes of the end. */
const TAIL_BYTES = 1024;

export interface PromptUsage {
  readonly promptTokens: number;
  /** Null where the engine does not tell. */
  readonly cachedTokens: number | null;
}

/**
 * Prompt tokens, where the answer ends with its usage. A stream tells it only when the client asked for it.
 * @param lastBytes the end of an answer, or all of it.
 */
export function readPromptUsage(lastBytes: Buffer): PromptUsage | null {
  const tail = tailOf(lastBytes);
  const promptTokens = numberIn(tail, 'prompt_tokens');
  return promptTokens === null ? null : { promptTokens, cachedTokens: numberIn(tail, 'cached_tokens') };
}

/** Output tokens, where the answer ends with its usage. */
export function readCompletionTokens(lastBytes: Buffer): number | null {
  return numberIn(tailOf(lastBytes), 'completion_tokens');
}

/** As {@link readPromptUsage}, in OpenAI's words or in Anthropic's; null for what is not told. */
export function readTokenUse(lastBytes: Buffer): {
  readonly prompt: number | null;
  readonly output: number | null;
} {
  const tail = tailOf(lastBytes);
  return {
    prompt: numberIn(tail, 'prompt_tokens') ?? numberIn(tail, 'input_tokens'),
    output: numberIn(tail, 'completion_tokens') ?? numberIn(tail, 'output_tokens'),
  };
}

function tailOf(bytes: Buffer): string {
  return bytes.toString('latin1', Math.max(0, bytes.length - TAIL_BYTES));
}

/** A quote within a string of the answer is escaped, so text that talks of tokens is not taken for usage. */
const FIELDS = {
  prompt_tokens: /"prompt_tokens":\s*(\d{1,9})(?![\d.eE])/,
  completion_tokens: /"completion_tokens":\s*(\d{1,9})(?![\d.eE])/,
  input_tokens: /"input_tokens":\s*(\d{1,9})(?![\d.eE])/,
  output_tokens: /"output_tokens":\s*(\d{1,9})(?![\d.eE])/,
  cached_tokens: /"cached_tokens":\s*(\d{1,9})(?![\d.eE])/,
} as const;

function numberIn(tail: string, field: keyof typeof FIELDS): number | null {
  const digits = FIELDS[field].exec(tail)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** What an engine's tokenizer says, as Anthropic's API has it, or as `/tokenize` of vLLM, SGLang, llama.cpp or TGI; null for anything else. */
export function readTokenCount(body: Buffer): number | null {
  try {
    const said: unknown = JSON.parse(body.toString('utf8'));
    if (Array.isArray(said)) return said.length;
    const { input_tokens: own, count, tokens } = said as Record<string, unknown>;
    const counted = own ?? count ?? (Array.isArray(tokens) ? tokens.length : null);
    return Number.isInteger(counted) && Number(counted) >= 0 ? Number(counted) : null;
  } catch {
    return null;
  }
}

/** Tokens of one answer, or of many together. */
export interface TokenCounts {
  readonly input: number;
  readonly cached: number;
  readonly output: number;
  readonly reasoning: number;
  readonly total: number;
}

export const NO_TOKENS: TokenCounts = { input: 0, cached: 0, output: 0, reasoning: 0, total: 0 };

export function countTokens(said: CompletionUsage | null | undefined): TokenCounts {
  const usage = readUsage(said);
  if (usage === null) return NO_TOKENS;
  const { prompt_tokens: input = 0, completion_tokens: output = 0 } = usage;
  return {
    input,
    cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
    output,
    reasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0,
    total: usage.total_tokens ?? input + output,
  };
}

export function addTokens(a: TokenCounts, b: TokenCounts): TokenCounts {
  return {
    input: a.input + b.input,
    cached: a.cached + b.cached,
    output: a.output + b.output,
    reasoning: a.reasoning + b.reasoning,
    total: a.total + b.total,
  };
}

/** `usage` as the Responses and Batches APIs show it. */
export function toResponsesUsage(tokens: TokenCounts) {
  return {
    input_tokens: tokens.input,
    input_tokens_details: { cached_tokens: tokens.cached },
    output_tokens: tokens.output,
    output_tokens_details: { reasoning_tokens: tokens.reasoning },
    total_tokens: tokens.total,
  };
}
