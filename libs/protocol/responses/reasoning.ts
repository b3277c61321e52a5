/**
 * `encrypted_content`: what a client hands on unread where nothing is stored. There is nothing to hide from it, since it may read its own
 * reasoning anyway: the text is only packed.
 */

const SEAL = 'penstock1.';

export function sealed(text: string): string {
  return SEAL + Buffer.from(text).toString('base64');
}

/** Null where it was not packed here. */
export function sealedText(content: unknown): string | null {
  if (typeof content !== 'string' || !content.startsWith(SEAL)) return null;
  return Buffer.from(content.slice(SEAL.length), 'base64').toString('utf8');
}
