/**
 * API keys: as a Bearer token, or as Anthropic's and Azure's clients send them, in whatever way leaves no doubt about the key. Digests of equal length are compared in constant
 * time; a key itself is never kept or logged.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { DispatchError, tenantOfDigest } from '@penstock/protocol';

/** Longest header accepted. */
const MAX_HEADER = 512;
const HOW = 'Send it as: Authorization: Bearer YOUR_KEY.';

/**
 * @param repeated all headers, also those that came twice: of some, Node keeps the first alone. Asked for only where that one has no valid key.
 * @returns the tenant: a digest of the key, which scopes everything a client can name.
 */
export type Authenticate = (
  headers: IncomingHttpHeaders,
  repeated?: () => IncomingMessage['headersDistinct'],
) => string;

/** @returns a check that throws DispatchError `missing_api_key` or `invalid_api_key`. */
export function createAuthenticator(keys: readonly string[]): Authenticate {
  const known = keys.map(digest);
  // Clients may send a placeholder in the one header and the key in the other.
  const tenantIn = (given: readonly Given[]) => {
    const valid = given
      .flatMap(({ key }) => (key === null ? [] : [digest(key)]))
      .find(key => isKnown(known, key));
    return valid === undefined ? null : tenantOfDigest(valid);
  };
  return (headers, repeated) => {
    const tenant = tenantIn(givenIn(headers));
    if (tenant !== null) return tenant;
    const all = givenIn(repeated?.() ?? headers);
    return tenantIn(all) ?? refuse(all);
  };
}

/** No early exit: the time must not tell which key came close. */
function isKnown(known: readonly Buffer[], given: Buffer): boolean {
  let found = false;
  for (const key of known) found = timingSafeEqual(key, given) || found;
  return found;
}

/** What came in one header: a key, or what is wrong with it, for people; neither where it is empty. */
interface Given {
  readonly key: string | null;
  readonly fault: Fault | null;
}

interface Fault {
  readonly code: 'missing_api_key' | 'invalid_api_key';
  readonly words: string;
}

const HEADERS = ['authorization', 'x-api-key', 'api-key'];

function givenIn(headers: Readonly<Record<string, string | string[] | undefined>>): Given[] {
  return HEADERS.flatMap(name => [headers[name] ?? []].flat().map(value => read(name, value)));
}

/** The scheme is left out by some, said twice by those who paste a whole header, and put before a key in other headers. */
const KEY = /^(?:Bearer\s+)*(\S+)$/i;
const ONLY_SCHEME = /^(Bearer\s*)+$/i;
const OTHER_SCHEME = /^(?!Bearer\s)[a-z0-9-]+\s/i;

/** A fault says nothing of what was sent: it may be a key. */
function read(name: string, value: string): Given {
  if (value.length > MAX_HEADER)
    return fault('invalid_api_key', `The header ${name} is longer than ${MAX_HEADER} characters.`);
  const said = value.trim();
  if (said === '') return { key: null, fault: null };
  if (ONLY_SCHEME.test(said))
    return fault('missing_api_key', `No API key follows Bearer in the header ${name}.`);
  const key = KEY.exec(said)?.[1];
  if (key !== undefined) return { key, fault: null };
  return name === 'authorization' && OTHER_SCHEME.test(said)
    ? fault('missing_api_key', 'The header authorization has another scheme than Bearer.')
    : fault('invalid_api_key', `The key in the header ${name} has a blank in it.`);
}

function fault(code: Fault['code'], words: string): Given {
  return { key: null, fault: { code, words } };
}

function refuse(given: readonly Given[]): never {
  if (given.some(({ key }) => key !== null)) throw new DispatchError('invalid_api_key');
  const found = given.find(({ fault }) => fault !== null)?.fault;
  if (!found) throw new DispatchError('missing_api_key');
  throw new DispatchError(found.code, { message: `${found.words} ${HOW}` });
}

function digest(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}
