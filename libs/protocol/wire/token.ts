/**
 * Tokens: the words that subjects, streams, consumers, channels and keys are made of. Every name on the wire is checked
 * against this one rule; user text never becomes part of a name.
 */
const TOKEN = /^[a-z0-9_-]{1,48}$/;

/** The rule in words, for error messages. */
export const TOKEN_RULE = '1-48 characters of a-z, 0-9, _ and -';

const MAX_LENGTH = 48;
const encoder = new TextEncoder();

/** Whether the text may stand in a name. For ids that a client or an operator gives. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** Refuses a token that could add a wildcard to a subject, split it or make it too long. A failure is a bug, not bad input. */
export function assertToken(token: string): string {
  if (!TOKEN.test(token)) throw new TypeError(`not a valid name token (${token.length} characters)`);
  return token;
}

/**
 * A model's name as a token. A name that is not a token already gets a hash, so that no two models share a slug once the
 * characters that told them apart are gone.
 */
export function toModelSlug(name: string): string {
  if (isToken(name)) return name;
  const readable = name
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/^-+/, '');
  return `${readable.slice(0, MAX_LENGTH - 9)}-${fnv1a(name).toString(16).padStart(8, '0')}`;
}

/** FNV-1a of a text in UTF-8, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv/). */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of encoder.encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
