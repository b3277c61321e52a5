/**
 * API keys: as a Bearer token, or as Anthropic's and Azure's clients send them. Digests of equal length are compared in constant
 * time; a key itself is never kept or logged.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { DispatchError, tenantOfDigest } from '@penstock/protocol';

/** Longest header accepted. */
const MAX_HEADER = 512;

/** @returns the tenant: a digest of the key, which scopes everything a client can name. */
export type Authenticate = (headers: IncomingHttpHeaders) => string;

/** @returns a check that throws DispatchError `missing_api_key` or `invalid_api_key`. */
export function createAuthenticator(keys: readonly string[]): Authenticate {
  const known = keys.map(digest);
  return headers => {
    let isGiven = false;
    // Clients may send a placeholder in the one header and the key in the other.
    for (const key of keysIn(headers)) {
      if (key === null) continue;
      isGiven = true;
      const given = digest(key);
      if (isKnown(known, given)) return tenantOfDigest(given);
    }
    throw new DispatchError(isGiven ? 'invalid_api_key' : 'missing_api_key');
  };
}

/** No early exit: the time must not tell which key came close. */
function isKnown(known: readonly Buffer[], given: Buffer): boolean {
  let found = false;
  for (const key of known) found = timingSafeEqual(key, given) || found;
  return found;
}

/** Null where a header is missing, or holds what cannot be a key. */
function* keysIn(headers: IncomingHttpHeaders): Generator<string | null> {
  const { authorization = '' } = headers;
  if (authorization.length <= MAX_HEADER) yield /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? null;
  for (const key of [headers['x-api-key'], headers['api-key']])
    yield typeof key === 'string' && key.length <= MAX_HEADER && /^\S+$/.test(key) ? key : null;
}

function digest(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}
