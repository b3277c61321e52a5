/**
 * A conversation: items that clients add, and those of the responses made in it. It is kept as a list of entries. A response in the background is
 * an entry by its id, until it is over and somebody reads the list: then its items take its place.
 */
import { z } from 'zod';
import { metadataField } from '../openai/fields.ts';
import { assertToken, isToken } from '../wire/token.ts';

export interface ConversationRecord {
  readonly id: string;
  readonly tenant: string;
  /** Unix seconds. */
  readonly createdAt: number;
  readonly metadata: Readonly<Record<string, string>>;
}

export type ConversationEntry = { readonly item: Record<string, unknown> } | { readonly run: string };

const PREFIX = 'conv_';

export function publicConversationId(id: string): string {
  return PREFIX + id;
}

/** Null where it is not the id of a conversation. */
export function conversationIdIn(publicId: string): string | null {
  const id = publicId.slice(PREFIX.length);
  return publicId.startsWith(PREFIX) && isToken(id) ? id : null;
}

export function conversationKey(id: string): string {
  return `penstock:conversation:${assertToken(id)}`;
}

export function conversationEntriesKey(id: string): string {
  return `penstock:conversationitems:${assertToken(id)}`;
}

/** Items that one call may add, as OpenAI has it. */
const MAX_ADDED = 20;
const items = z.array(z.looseObject({}));

export const conversationCreate = z.looseObject({
  items: items.max(MAX_ADDED).nullish(),
  metadata: metadataField,
});
export const conversationUpdate = z.looseObject({ metadata: metadataField });
export const conversationAddition = z.looseObject({ items: items.min(1).max(MAX_ADDED) });

/** `conversation` of a response's request. */
export const conversationField = z
  .union([z.string().max(64), z.looseObject({ id: z.string().max(64) })])
  .nullish();
