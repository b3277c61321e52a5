/** Prompt text for a traced request: equal blocks become equal text at the same position, everything else differs. */
import { BLOCK_TOKENS, type TraceRequest } from './trace.ts';

/** What simulated engines count as a token. */
const CHARS_PER_TOKEN = 4;
const BLOCK_CHARS = BLOCK_TOKENS * CHARS_PER_TOKEN;

/** @param index tells apart what the trace does not: the text behind the last block it names. */
export function promptOf(request: TraceRequest, index: number): string {
  const chars = request.inputTokens * CHARS_PER_TOKEN;
  const parts = request.blocks.map(id => fill(`b${id} `, BLOCK_CHARS));
  const rest = chars - parts.length * BLOCK_CHARS;
  if (rest > 0) parts.push(fill(`r${index} `, rest));
  return parts.join('');
}

function fill(word: string, chars: number): string {
  return word.repeat(Math.ceil(chars / word.length)).slice(0, chars);
}
