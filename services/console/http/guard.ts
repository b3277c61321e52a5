/** Who may ask for what: sessions in cookies, and logins that were wrong too often. */
import type { Clock } from '@penstock/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { HttpError } from './http-error.ts';
import type { Session, Sessions } from './session.ts';

const COOKIE = 'penstock_console';
/** Wrong keys of one address, or of all addresses that are not told apart any more, within {@link WINDOW_MS}. */
const MOST_WRONG = 10;
const WINDOW_MS = 60_000;
const MOST_ADDRESSES = 1000;

export interface GuardOptions {
  readonly sessions: Sessions;
  readonly lastsMs: number;
  /** Whether the cookie is kept by browsers that came by plain HTTP. */
  readonly plainHttp: boolean;
  readonly clock: Clock;
}

export class Guard {
  readonly #o: GuardOptions;
  #wrong = new Map<string, number>();
  #windowEndsAt = 0;

  constructor(options: GuardOptions) {
    this.#o = options;
  }

  /** Null for who is not logged in. */
  look(request: FastifyRequest): Session | null {
    return this.#o.sessions.read(cookieIn(request.headers.cookie));
  }

  /** @throws HttpError 401 */
  session(request: FastifyRequest): Session {
    const session = this.look(request);
    if (session === null) throw new HttpError(401, 'You are not logged in, or no longer: log in.');
    return session;
  }

  /** Whether a session is not over yet. */
  isOpen({ until }: Session): boolean {
    return until > this.#o.clock.now();
  }

  /** @param onWrong told of a wrong key, as often as one is looked at. @throws HttpError 401 for a wrong key, 429 after too many. */
  logIn(
    request: FastifyRequest,
    reply: FastifyReply,
    key: string,
    onWrong: (why: string) => void = () => {},
  ): Session {
    this.#refuseGuessing(request.ip);
    const opened = this.#o.sessions.open(key);
    if (opened === null) {
      this.#noteWrong(request.ip);
      onWrong('no such key');
      throw new HttpError(401, 'The console knows no such key: see PENSTOCK_ADMIN_KEYS.');
    }
    this.#setCookie(reply, opened.cookie, this.#o.lastsMs / 1000);
    return opened.session;
  }

  logOut(reply: FastifyReply): void {
    this.#setCookie(reply, '', 0);
  }

  #setCookie(reply: FastifyReply, value: string, seconds: number): void {
    const secure = this.#o.plainHttp ? '' : '; Secure';
    reply.header(
      'set-cookie',
      `${COOKIE}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`,
    );
  }

  #refuseGuessing(address: string): void {
    const now = this.#o.clock.monotonic();
    if (now >= this.#windowEndsAt) {
      this.#wrong = new Map();
      this.#windowEndsAt = now + WINDOW_MS;
    }
    if ((this.#wrong.get(this.#nameOf(address)) ?? 0) >= MOST_WRONG)
      throw new HttpError(429, 'Too many wrong keys: try again in a minute.');
  }

  #noteWrong(address: string): void {
    const name = this.#nameOf(address);
    this.#wrong.set(name, (this.#wrong.get(name) ?? 0) + 1);
  }

  #nameOf(address: string): string {
    return this.#wrong.has(address) || this.#wrong.size < MOST_ADDRESSES ? address : 'others';
  }
}

/**
 * A page of another origin must not act for whoever is logged in here. `SameSite` sees to that; this does for browsers that disregard it.
 * Browsers that say themselves where a request comes from are believed: behind a proxy the host may be another one.
 * @throws HttpError 403
 */
export function refuseCrossSite({ headers }: FastifyRequest): void {
  const { origin, host, 'sec-fetch-site': site } = headers;
  const isForeign =
    site === undefined ? origin !== undefined && hostOf(origin) !== host : !SAME_SITE.has(String(site));
  if (isForeign)
    throw new HttpError(403, 'This was sent by a page of another origin. Use the console itself.');
}

/** `none`: the user did it, not a page. */
const SAME_SITE: ReadonlySet<string> = new Set(['same-origin', 'none']);

function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}

function cookieIn(header: string | undefined): string | undefined {
  for (const pair of (header ?? '').split(';')) {
    const [name, value] = pair.split('=', 2);
    if (name?.trim() === COOKIE) return value?.trim();
  }
  return undefined;
}
