/**
 * Logins. A session is a signed cookie and nothing else: any console with the same keys accepts it, also after a restart, and one
 * that was made with a key ends when the key is taken out of the settings. No key is ever part of it.
 */
import { createHmac, hash, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { Clock } from '@penstock/runtime';

export type Role = 'admin' | 'viewer';

export interface Session {
  /** Names the key, for the audit log: the first digits of its digest. */
  readonly who: string;
  readonly role: Role;
  /** Unix ms. */
  readonly until: number;
}

export interface SessionsOptions {
  readonly adminKeys: readonly string[];
  readonly viewerKeys: readonly string[];
  readonly lastsMs: number;
  readonly clock: Clock;
}

/** Longest key that is looked at. */
const MOST_KEY = 512;
const FORM = /^(?<payload>[0-9a-f]{8}\.\d{1,16})\.(?<mac>[A-Za-z0-9_-]{43})$/;

interface Known {
  readonly digest: Buffer;
  readonly who: string;
  readonly role: Role;
  /** Signs the sessions of this key. */
  readonly secret: Buffer;
}

export class Sessions {
  readonly #known: readonly Known[];
  readonly #o: SessionsOptions;

  constructor(options: SessionsOptions) {
    this.#o = options;
    const known = (keys: readonly string[], role: Role) => keys.map(key => knownOf(key, role));
    this.#known = [...known(options.adminKeys, 'admin'), ...known(options.viewerKeys, 'viewer')];
  }

  /** @returns the value of the cookie, and the session; null for an unknown key. */
  open(key: string): { readonly cookie: string; readonly session: Session } | null {
    if (key.length > MOST_KEY) return null;
    const digest = digestOf(key);
    let found: Known | null = null;
    // No early exit: the time must not tell which key came close.
    for (const known of this.#known) if (timingSafeEqual(known.digest, digest)) found ??= known;
    if (found === null) return null;
    const until = this.#o.clock.now() + this.#o.lastsMs;
    const payload = `${found.who}.${until}`;
    const cookie = `${payload}.${macOf(found.secret, payload).toString('base64url')}`;
    return { cookie, session: { who: found.who, role: found.role, until } };
  }

  /** Null for what is no session, is over, or was made with a key that is no more. */
  read(cookie: string | undefined): Session | null {
    const { payload = '', mac = '' } = FORM.exec(cookie ?? '')?.groups ?? {};
    if (payload === '') return null;
    const [who = '', until] = payload.split('.');
    const known = this.#known.find(each => each.who === who);
    if (known === undefined || Number(until) <= this.#o.clock.now()) return null;
    const isOurs = timingSafeEqual(macOf(known.secret, payload), Buffer.from(mac, 'base64url'));
    return isOurs ? { who, role: known.role, until: Number(until) } : null;
  }
}

function knownOf(key: string, role: Role): Known {
  const digest = digestOf(key);
  const secret = Buffer.from(hkdfSync('sha256', key, '', 'penstock console session', 32));
  return { digest, who: digest.toString('hex').slice(0, 8), role, secret };
}

function digestOf(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}

function macOf(secret: Buffer, payload: string): Buffer {
  return createHmac('sha256', secret).update(payload).digest();
}
