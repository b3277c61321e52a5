/** API keys by Bearer. Digests of equal length are compared in constant time; a key itself is never kept or logged. */
import { hash, timingSafeEqual } from 'node:crypto';
import { DispatchError, tenantOfDigest } from '@penstock/protocol';

/** Longest Authorization header accepted. */
const MAX_HEADER = 512;

/** @returns the tenant: a digest of the key, which scopes everything a client can name. */
export type Authenticate = (authorization: string | undefined) => string;

/** @returns a check that throws DispatchError `missing_api_key` or `invalid_api_key`. */
export function createAuthenticator(keys: readonly string[]): Authenticate {
  const known = keys.map(digest);
  return authorization => {
    if (authorization === undefined || authorization.length > MAX_HEADER)
      throw new DispatchError('missing_api_key');
    const match = /^Bearer +(\S+)$/i.exec(authorization);
    if (match?.[1] === undefined) throw new DispatchError('missing_api_key');
    const given = digest(match[1]);
    let found = false;
    // No early exit: the time must not tell which key came close.
    for (const key of known) found = timingSafeEqual(key, given) || found;
    if (!found) throw new DispatchError('invalid_api_key');
    return tenantOfDigest(given);
  };
}

function digest(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}
