/**
 * Tells whether a token (JWT) is one of the identity provider: signed with one of its keys, for this audience, and not over. Its keys are read
 * when they are needed first, again every ten minutes and when a token names one that is not known; while the provider is away they go on for an hour.
 */
import { hash } from 'node:crypto';
import { DispatchError } from '@penstock/protocol';
import type { Clock, Logger } from '@penstock/runtime';
import type { JWTVerifyGetKey } from 'jose';
import { isRefused, type Refused } from '../caller.ts';
import { type ClaimRules, readClaims, type TokenSays } from './claims.ts';

const TIMEOUT_MS = 5000;
const REFRESH_MS = 600_000;
const KEPT_MS = 3_600_000;
/** How often it is asked about keys that nobody knows: tokens of strangers name any. */
const COOLDOWN_MS = 10_000;
/** How long what was found out of a token counts without a look at the keys. */
const TRUSTED_MS = 60_000;
const MOST_TRUSTED = 10_000;
const SHAPE = /^eyJ[\w-]+\.[\w-]+\.[\w-]*$/;

export interface TokenVerifierOptions extends ClaimRules {
  readonly issuer: string;
  readonly audience: string;
  /** Null where the issuer tells it. */
  readonly jwksUrl: string | null;
  readonly algorithms: readonly string[];
  readonly toleranceS: number;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly cooldownMs?: number;
}

interface Keys {
  readonly find: JWTVerifyGetKey;
  readonly reload: () => Promise<void>;
}

interface Trusted {
  readonly says: TokenSays;
  /** Monotonic. */
  readonly until: number;
  /** Unix ms. */
  readonly expiresAt: number;
}

/** Whether it looks like a token at all; keys do not. */
export function isToken(text: string): boolean {
  return SHAPE.test(text);
}

export class TokenVerifier {
  readonly #o: TokenVerifierOptions;
  readonly #trusted = new Map<string, Trusted>();
  #keys: Promise<Keys> | null = null;
  #refreshedAt = -Infinity;
  #isAway = false;

  constructor(options: TokenVerifierOptions) {
    this.#o = options;
  }

  /** @throws DispatchError `keys_unavailable` where the provider has to be asked and does not answer. */
  verify(text: string): TokenSays | Promise<TokenSays | Refused> {
    const digest = hash('sha256', text, 'base64');
    const known = this.#trusted.get(digest);
    const { clock, toleranceS } = this.#o;
    if (
      known !== undefined &&
      clock.monotonic() < known.until &&
      clock.now() < known.expiresAt + toleranceS * 1000
    )
      return known.says;
    this.#trusted.delete(digest);
    return this.#verify(text, digest);
  }

  /** Call once a second. Never rejects. The first call tells in the log where the provider cannot be reached. */
  async tick(): Promise<void> {
    const { clock, log, issuer } = this.#o;
    const everyMs = this.#isAway ? TIMEOUT_MS * 2 : REFRESH_MS;
    if (clock.monotonic() - this.#refreshedAt < everyMs) return;
    this.#refreshedAt = clock.monotonic();
    try {
      await (await this.#found()).reload();
      if (this.#isAway) log.info({ issuer }, 'the identity provider answers again');
      this.#isAway = false;
    } catch (err) {
      const problem = (err as Error).message;
      if (!this.#isAway)
        log.warn(
          { issuer, problem },
          'the keys of the identity provider cannot be read: API keys are taken as before, its tokens only while keys of it are known (PENSTOCK_OIDC_ISSUER, PENSTOCK_OIDC_JWKS)',
        );
      this.#isAway = true;
    }
  }

  async #verify(text: string, digest: string): Promise<TokenSays | Refused> {
    const { jwtVerify, errors } = await import('jose');
    const { issuer, audience, algorithms, toleranceS, clock } = this.#o;
    try {
      const { find } = await this.#found();
      const { payload } = await jwtVerify(text, find, {
        ...{ issuer, audience, algorithms: [...algorithms], clockTolerance: toleranceS },
        ...{ requiredClaims: ['exp', 'sub'], currentDate: new Date(clock.now()) },
      });
      const says = readClaims(payload, this.#o);
      if (!isRefused(says)) this.#trust(digest, says, (payload.exp ?? 0) * 1000);
      return says;
    } catch (err) {
      if (err instanceof errors.JWTExpired) return { refused: 'expired' };
      if (err instanceof errors.JOSEError && WRONG.has(err.code)) return { refused: 'bad_token' };
      throw new DispatchError('keys_unavailable', {
        message: 'The identity provider cannot be asked about this token now. Try again, or use an API key.',
        cause: err,
      });
    }
  }

  #trust(digest: string, says: TokenSays, expiresAt: number): void {
    const [oldest] = this.#trusted.keys();
    if (this.#trusted.size >= MOST_TRUSTED && oldest !== undefined) this.#trusted.delete(oldest);
    this.#trusted.set(digest, { says, expiresAt, until: this.#o.clock.monotonic() + TRUSTED_MS });
  }

  /** Where its keys are is asked once; where that fails, again for the next token. */
  #found(): Promise<Keys> {
    this.#keys ??= this.#discover().catch((err: unknown) => {
      this.#keys = null;
      throw err;
    });
    return this.#keys;
  }

  async #discover(): Promise<Keys> {
    const { createRemoteJWKSet } = await import('jose');
    const { jwksUrl, cooldownMs = COOLDOWN_MS } = this.#o;
    const find = createRemoteJWKSet(new URL(jwksUrl ?? (await this.#askIssuer())), {
      ...{ timeoutDuration: TIMEOUT_MS, cooldownDuration: cooldownMs, cacheMaxAge: KEPT_MS },
    });
    return { find, reload: () => find.reload() };
  }

  async #askIssuer(): Promise<string> {
    const { issuer } = this.#o;
    const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const answer = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'error' });
    if (!answer.ok) throw new Error(`${address} answers ${answer.status}`);
    const { issuer: named, jwks_uri: at } = (await answer.json()) as Record<string, unknown>;
    // Else whoever answers there could speak for another one.
    if (named !== issuer) throw new Error(`${address} is of another issuer`);
    if (typeof at !== 'string' || !URL.canParse(at)) throw new Error(`${address} has no jwks_uri`);
    return at;
  }
}

/** What is wrong with the token itself, as jose calls it; all else is of the provider. */
const WRONG = new Set([
  ...['ERR_JWT_CLAIM_VALIDATION_FAILED', 'ERR_JWT_INVALID', 'ERR_JWS_INVALID'],
  ...['ERR_JWS_SIGNATURE_VERIFICATION_FAILED', 'ERR_JOSE_ALG_NOT_ALLOWED', 'ERR_JOSE_NOT_SUPPORTED'],
  ...['ERR_JWKS_NO_MATCHING_KEY', 'ERR_JWKS_MULTIPLE_MATCHING_KEYS'],
]);
