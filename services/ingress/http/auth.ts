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
    const given = keysIn(headers).map(digest);
    if (given.length === 0) throw new DispatchError('missing_api_key');
    // Clients may send a placeholder in the one header and the key in the other.
    const valid = given.find(key => isKnown(known, key));
    if (valid === undefined) throw new DispatchError('invalid_api_key');
    return tenantOfDigest(valid);
  };
}

/** No early exit: the time must not tell which key came close. */
function isKnown(known: readonly Buffer[], given: Buffer): boolean {
  let found = false;
  for (const key of known) found = timingSafeEqual(key, given) || found;
  return found;
}

function keysIn(headers: IncomingHttpHeaders): string[] {
  const { authorization } = headers;
  const bearer =
    authorization === undefined || authorization.length > MAX_HEADER
      ? undefined
      : /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  return [bearer, headers['x-api-key'], headers['api-key']].flatMap(key =>
    typeof key === 'string' && /^\S+$/.test(key) && key.length <= MAX_HEADER ? [key] : [],
  );
}

function digest(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}
