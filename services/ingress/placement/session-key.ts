/**
 * Which requests belong together, from the strongest sign to the weakest: the client's `prompt_cache_key`, its conversation,
 * the chain of responses, its `x-session-affinity` header, how the prompt begins, its end user. An opening shorter than
 * a block ("Hello") is no sign while there is a better one, and still one when there is none.
 */
import { hash } from 'node:crypto';
import { type Endpoint, withoutMedia } from '@penstock/protocol';
import type { FastifyRequest } from 'fastify';
import { BLOCK_BYTES, BLOCK_TOKENS } from './prefix-chain.ts';

/** Longest `x-session-affinity` accepted. */
const MAX_HEADER = 512;

export interface SessionSigns {
  readonly cacheKey: string | null;
  readonly conversation: string | null;
  /** The key of the first response in a chain of `previous_response_id`, see {@link chainKeyOf}. */
  readonly chain: string | null;
  /** `x-session-affinity`. */
  readonly header: string | null;
  readonly endUser: string | null;
}

/** @returns a key that no other sign's value can equal; null if there is no sign. */
export function sessionKeyOf(signs: SessionSigns, opening: () => string): string | null {
  if (signs.cacheKey !== null) return `cache:${signs.cacheKey}`;
  if (signs.conversation !== null) return `conversation:${signs.conversation}`;
  if (signs.chain !== null) return signs.chain;
  if (signs.header !== null) return `header:${signs.header}`;
  const begins = opening();
  if (begins.length < BLOCK_BYTES && signs.endUser !== null) return `user:${signs.endUser}`;
  return begins === '' ? null : `opening:${hash('sha1', begins)}`;
}

/** `x-session-affinity`, where the client gave one of a sensible length. */
export function sessionHeader(request: FastifyRequest): string | null {
  const session = request.headers['x-session-affinity'];
  return typeof session === 'string' && session.length <= MAX_HEADER ? session : null;
}

/** What a chain of responses is known by, made for its first: the header that came with it, or else its own id. */
export function chainKeyOf(header: string | null, responseId: string): string {
  return header === null ? `chain:${responseId}` : `header:${header}`;
}

/** What stays the same while a conversation goes on: tools, system messages and the first message of the user. */
export function openingOf(endpoint: Endpoint, body: unknown): string {
  const { messages, tools, prompt } = body as { messages?: unknown; tools?: unknown; prompt?: unknown };
  if (endpoint === 'completions') return openingOfPrompt(prompt);
  if (endpoint !== 'chat' && endpoint !== 'messages') return '';
  const parts: string[] = tools ? [JSON.stringify(tools)] : [];
  for (const { role, content } of messages as { role: string; content?: unknown }[]) {
    parts.push(role, typeof content === 'string' ? content : withoutMedia(content ?? ''));
    if (role === 'user') break;
  }
  return parts.join('\n');
}

function openingOfPrompt(prompt: unknown): string {
  if (typeof prompt === 'string') return prompt.slice(0, BLOCK_BYTES);
  const first: unknown = Array.isArray(prompt) && Array.isArray(prompt[0]) ? prompt[0] : prompt;
  if (!Array.isArray(first) || typeof first[0] !== 'number') return '';
  return first.slice(0, BLOCK_TOKENS).join(' ');
}
