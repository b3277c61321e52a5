/** Tenants: the holders of API keys. The keys themselves are never stored or logged. */
import { hash } from 'node:crypto';

/** Hex digits of the key's digest that name its tenant. */
const TENANT_DIGITS = 16;

/** The tenant that an API key stands for: the first 16 hex digits of its SHA-256. It scopes everything a client can name. */
export function tenantOfKey(apiKey: string): string {
  return tenantOfDigest(hash('sha256', apiKey, 'buffer'));
}

/** The same, from the key's SHA-256, for callers that have compared digests already. */
export function tenantOfDigest(sha256: Buffer): string {
  return sha256.toString('hex').slice(0, TENANT_DIGITS);
}

export function isTenant(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text);
}
