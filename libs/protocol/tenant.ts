/** Tenants: what a project is called in records and messages that carry requests. Keys themselves are never stored or logged. */
import { hash } from 'node:crypto';
import { isToken } from './wire/token.ts';

/** Hex digits of the key's digest that name its tenant. */
const TENANT_DIGITS = 16;
/** Begins the id of a project that is none of a configured key. */
const PROJECT = 'proj_';

/** The tenant that an API key stands for: the first 16 hex digits of its SHA-256. It scopes everything a client can name. */
export function tenantOfKey(apiKey: string): string {
  return tenantOfDigest(hash('sha256', apiKey, 'buffer'));
}

/** The same, from the key's SHA-256, for callers that have compared digests already. */
export function tenantOfDigest(sha256: Buffer): string {
  return sha256.toString('hex').slice(0, TENANT_DIGITS);
}

/** Weight of a project that was given none, and the greatest: of two that wait, the one with twice the weight is served twice as much. */
export const USUAL_WEIGHT = 1;
export const MOST_WEIGHT = 100;

/** What {@link isTenant} takes, for people. */
export const TENANT_RULE =
  'the id of a project: proj_ and small letters, digits, _ or -, or of a configured key the first 16 hex digits of its SHA-256';

export function isTenant(text: string): boolean {
  return isTenantOfKey(text) || (text.startsWith(PROJECT) && isToken(text));
}

/** Whether it can be that of a key in `PENSTOCK_API_KEYS`. */
export function isTenantOfKey(text: string): boolean {
  return new RegExp(`^[0-9a-f]{${TENANT_DIGITS}}$`).test(text);
}

/** The tenant that a new project is. @param unique a token that nothing else has. */
export function tenantOfNew(unique: string): string {
  return PROJECT + unique;
}
