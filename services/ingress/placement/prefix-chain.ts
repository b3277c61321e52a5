/**
 * The chain of hashes of a prompt's leading blocks: hash i covers everything up to the end of block i, so equal hashes mean
 * equal prefixes. The chain is seeded with tenant, model and the client's own `prompt_cache_key`: nothing is shared across them.
 * Other session keys are not part of the seed: what requests have in common shows in the chain, also across sessions.
 */
import { hash } from 'node:crypto';
import { type Endpoint, withoutMedia } from '@penstock/protocol';

/** Text of one block: 512 tokens at four bytes each. */
export const BLOCK_TOKENS = 512;
export const BLOCK_BYTES = BLOCK_TOKENS * 4;
/** Most blocks hashed; the rest of a longer prompt makes no difference to its placement. */
const MAX_BLOCKS = 256;
const KEY_LENGTH = 22;

/** @returns one hash a full block; none for a prompt shorter than a block. */
export function promptChain(seed: string, text: Buffer): string[] {
  const blocks = Math.min(MAX_BLOCKS, Math.floor(text.length / BLOCK_BYTES));
  const keys: string[] = [];
  let key = Buffer.from(hash('sha1', seed));
  for (let i = 0; i < blocks; i++) {
    const block = text.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES);
    key = hash('sha1', Buffer.concat([key, block]), 'buffer');
    keys.push(key.toString('base64url').slice(0, KEY_LENGTH));
  }
  return keys;
}

/** The prompt as one text (of a message as the chat completion it stands for), in the order in which chat templates place it: tools, then messages. */
export function promptText(endpoint: Endpoint, body: unknown): Buffer {
  const { messages, tools, prompt } = body as { messages?: unknown; tools?: unknown; prompt?: unknown };
  if (endpoint !== 'chat' && endpoint !== 'messages')
    return Array.isArray(prompt) ? listText(prompt) : Buffer.from(String(prompt ?? ''));
  const parts: string[] = tools ? [JSON.stringify(tools)] : [];
  for (const message of messages as { role: string; content?: unknown; tool_calls?: unknown }[]) {
    const { role, content, tool_calls: calls } = message;
    parts.push('\n', role, '\n', typeof content === 'string' ? content : withoutMedia(content ?? ''));
    if (calls) parts.push(JSON.stringify(calls));
  }
  return Buffer.from(parts.join(''));
}

/** Of a list of texts or token ids. An id takes four bytes, as much as the text of one token. */
function listText(items: readonly unknown[]): Buffer {
  if (typeof items[0] === 'string') return Buffer.from(JSON.stringify(items));
  return Buffer.from(Int32Array.from(items.flat() as number[]).buffer);
}

/** Blocks of a chain worth remembering: the first few, every eighth, and the last. Follow-ups share nearly all of a chain. */
export function checkpoints(blocks: number): number[] {
  const chosen: number[] = [];
  for (let i = 0; i < blocks; i++) {
    if (i < 4 || i % 8 === 7 || i >= blocks - 2) chosen.push(i);
  }
  return chosen;
}
