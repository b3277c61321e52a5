/**
 * API keys: as a Bearer token, or as Anthropic's and Azure's clients send them, in whatever way leaves no doubt about the key. A key
 * itself is never kept or logged.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Admin,
  type Caller,
  isRefused,
  type KeyRing,
  type Refusal,
  type Refused,
  type WrongKeys,
} from '@penstock/access';
import { DispatchError } from '@penstock/protocol';
import type { Counter, Logger } from '@penstock/runtime';

/** Longest header accepted; tokens of an identity provider are longer than keys. */
const MAX_HEADER = 512;
const MAX_TOKEN = 8192;
/** How each token begins: the start of a JSON object in base64. */
const TOKEN = /^(?:Bearer\s+)*eyJ/i;
const HOW = 'Send it as: Authorization: Bearer YOUR_KEY.';

export interface Asked {
  readonly headers: IncomingHttpHeaders;
  /** All headers, also those that came twice: of some, Node keeps the first alone. Looked at only where that one has no valid key. */
  readonly repeated?: () => IncomingMessage['headersDistinct'];
  /** Of the connection. */
  readonly address: string;
}

export interface AuthenticatorOptions {
  readonly ring: Pick<KeyRing, 'adminOf' | 'callerOf'>;
  readonly wrongKeys: WrongKeys;
  readonly refused: Pick<Counter<'reason'>, 'inc'>;
  readonly log: Pick<Logger, 'warn'>;
  /** Waits so many ms. */
  readonly pause?: (ms: number) => Promise<unknown>;
}

export class Authenticator {
  readonly #o: AuthenticatorOptions;

  constructor(options: AuthenticatorOptions) {
    this.#o = options;
  }

  /** @throws DispatchError `missing_api_key`, `invalid_api_key`, `keys_unavailable`. */
  callerOf(asked: Asked): Promise<Caller> {
    return this.#let(asked, text => this.#o.ring.callerOf(text), {});
  }

  /** @throws DispatchError as `callerOf`, and `admin_key_required`. */
  adminOf(asked: Asked): Promise<Admin> {
    const wrongKind = new DispatchError('admin_key_required');
    return this.#let(asked, text => this.#o.ring.adminOf(text), { wrong_kind: wrongKind });
  }

  /** @param errors where they are others than those of callers. */
  async #let<T extends Admin>(asked: Asked, ask: Ask<T>, errors: Errors): Promise<T> {
    const first = givenIn(asked.headers);
    const known = await judged(first, ask);
    if (known.who !== null) return known.who;
    const all = givenIn(asked.repeated?.() ?? asked.headers);
    const again = all.length > first.length ? await judged(all, ask) : known;
    return again.who ?? this.#refuse(refusalOf(all, again.refusal, errors), asked.address);
  }

  async #refuse({ reason, error }: Reason, address: string): Promise<never> {
    this.#o.refused.inc({ reason });
    const { wrongKeys, log, pause = sleep } = this.#o;
    // A request without a key is a mistake, not an attempt.
    if (reason === 'missing') throw error;
    const { pauseMs, isFirst } = wrongKeys.note(address);
    if (isFirst)
      log.warn({ address, reason }, 'a key was refused; further ones of this minute are only counted');
    await wrongKeys.hold(pauseMs, pause);
    throw error;
  }
}

type Ask<T> = (text: string) => T | Refused | Promise<T | Refused>;
type Errors = Readonly<Partial<Record<Refusal, DispatchError>>>;

interface Judged<T> {
  readonly who: T | null;
  /** Why the keys that were given are not valid; null where none was given, or one is. */
  readonly refusal: Refusal | null;
}

/** Clients may send a placeholder in the one header and the key in the other: any that is valid counts. */
async function judged<T extends Admin>(given: readonly Given[], ask: Ask<T>): Promise<Judged<T>> {
  let refusal: Refusal | null = null;
  for (const { key } of given) {
    if (key === null) continue;
    const said = ask(key);
    const verdict = said instanceof Promise ? await said : said;
    if (!isRefused(verdict)) return { who: verdict, refusal: null };
    // What was no key of ours says less than one that was.
    if (refusal === null || refusal === 'unknown') refusal = verdict.refused;
  }
  return { who: null, refusal };
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
  const most = TOKEN.test(value) ? MAX_TOKEN : MAX_HEADER;
  if (value.length > most)
    return fault('invalid_api_key', `The header ${name} is longer than ${most} characters.`);
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

/** What is said of a key that was one. Of others nothing is said but that they are not valid. */
const WORDS: Readonly<Partial<Record<Refusal, string>>> = {
  archived: 'The project of this API key is archived. Use a key of another project.',
  bad_token:
    'The token is not valid: it is not of the identity provider that is trusted here, or for another audience.',
  no_project: 'The token names no project that there is here. Ask who runs this server.',
  no_scope: 'The token has none of the scopes that are known here. Ask for one that has.',
  expired: 'The API key or token has expired. Use a newer one.',
  mistyped:
    'The API key is not complete, or mistyped: its last characters do not fit the rest. Copy it again.',
  wrong_kind: 'This is an admin key, which sends no requests to models. Use an API key of a project.',
};

interface Reason {
  readonly reason: Refusal;
  readonly error: DispatchError;
}

function refusalOf(given: readonly Given[], refusal: Refusal | null, errors: Errors): Reason {
  if (refusal !== null) {
    const special = errors[refusal];
    if (special !== undefined) return { reason: refusal, error: special };
    const message = WORDS[refusal];
    const about = message === undefined ? {} : { message };
    return { reason: refusal, error: new DispatchError('invalid_api_key', about) };
  }
  const found = given.find(({ fault }) => fault !== null)?.fault;
  if (!found) return { reason: 'missing', error: new DispatchError('missing_api_key') };
  const error = new DispatchError(found.code, { message: `${found.words} ${HOW}` });
  return { reason: found.code === 'missing_api_key' ? 'missing' : 'malformed', error };
}
