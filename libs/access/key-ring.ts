/** Tells whose a key is: one of the operator's file, of `PENSTOCK_API_KEYS`, or one that was made for a project. */
import { hash } from 'node:crypto';
import { type KeyRecord, type Project, tenantOfDigest, USUAL_WEIGHT } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import { type Admin, type Caller, isRefused, type Refusal, type Refused } from './caller.ts';
import { type KeyKind, readKeyText } from './key-text.ts';
import type { KeyUses } from './lookup/key-uses.ts';
import type { KnownRecords } from './lookup/known-records.ts';
import type { Peppers } from './peppers.ts';
import type { Provisioned } from './provisioned/provisioned.ts';
import { isToken, type TokenVerifier } from './tokens/token-verifier.ts';

/** A key and the project it belongs to; null for that of an admin key, or where it is gone. */
export interface FoundKey {
  readonly key: KeyRecord;
  readonly project: Project | null;
}

/** Null for one that nobody ever changed: most projects of configured keys are kept nowhere, and that has to be remembered, too. */
export interface FoundProject {
  readonly project: Project | null;
}

export interface KeyRingOptions {
  /** `PENSTOCK_ADMIN_KEYS`, which are valid whatever the store says. */
  readonly admins: readonly string[];
  /** `PENSTOCK_API_KEYS`: valid whatever the store says, but for those whose projects are archived. */
  readonly configured: readonly string[];
  /** What the file says is known whether or not the store is there. */
  readonly provisioned: Pick<Provisioned, 'find' | 'project'>;
  /** Null where no identity provider is trusted. */
  readonly tokens: Pick<TokenVerifier, 'verify'> | null;
  readonly peppers: Peppers;
  /** By id. */
  readonly keys: Pick<KnownRecords<FoundKey>, 'get'>;
  readonly projects: Pick<KnownRecords<FoundProject>, 'get'>;
  readonly uses: Pick<KeyUses, 'note'>;
  readonly clock: Pick<Clock, 'now'>;
}

export class KeyRing {
  readonly #o: KeyRingOptions;
  /** By the digest of the key: how far two digests agree says nothing of the keys, so they need no comparison in constant time. */
  readonly #configured: ReadonlyMap<string, string>;
  readonly #admins: ReadonlyMap<string, string>;

  constructor(options: KeyRingOptions) {
    this.#o = options;
    this.#configured = namesOf(options.configured);
    this.#admins = namesOf(options.admins);
  }

  /** @throws DispatchError `keys_unavailable` */
  callerOf(text: string): Caller | Refused | Promise<Caller | Refused> {
    const inFile = this.#o.provisioned.find(text);
    if (inFile !== null)
      return this.#living(inFile, (key, project, now) => this.#callerWith(key, project, now));
    const digest = hash('sha256', text, 'base64');
    const tenant = this.#configured.get(digest);
    if (tenant !== undefined) return this.#configuredCaller(tenant);
    if (this.#admins.has(digest)) return refused('wrong_kind');
    if (this.#o.tokens !== null && isToken(text)) return this.#tokenCaller(this.#o.tokens, text);
    return this.#look(text, 'api', (key, project, now) => this.#callerWith(key, project, now));
  }

  /** Who may administer: never a caller. @throws DispatchError `keys_unavailable` */
  adminOf(text: string): Admin | Refused | Promise<Admin | Refused> {
    const digest = hash('sha256', text, 'base64');
    const name = this.#admins.get(digest);
    if (name !== undefined) return { key: name };
    if (this.#configured.has(digest) || this.#o.provisioned.find(text) !== null) return refused('wrong_kind');
    if (this.#o.tokens !== null && isToken(text)) return this.#tokenAtAdmin(this.#o.tokens, text);
    return this.#look(text, 'admin', ({ id }, _, now) => {
      this.#o.uses.note(id, now);
      return { key: id };
    });
  }

  /** @param judge decides about a key that is the one that was made, and has not expired. @param kind that it has to have. */
  #look<T>(text: string, kind: KeyKind, judge: Judge<T>): T | Refused | Promise<T | Refused> {
    const given = readKeyText(text);
    if (given === null) return refused('unknown');
    if (given === 'mistyped') return refused('mistyped');
    if (given.kind !== kind) return refused('wrong_kind');
    const found = this.#o.keys.get(given.id);
    if (found instanceof Promise) return found.then(each => this.#judge(text, each, judge));
    return this.#judge(text, found, judge);
  }

  #configuredCaller(tenant: string): Caller | Refused | Promise<Caller | Refused> {
    const inFile = this.#o.provisioned.project(tenant);
    const found = inFile === null ? this.#o.projects.get(tenant) : { project: inFile };
    if (!(found instanceof Promise)) return asConfigured(tenant, found);
    // Nothing of the store is needed for these keys but what was said of their projects.
    return found.catch(() => null).then(each => asConfigured(tenant, each));
  }

  /** @throws DispatchError `keys_unavailable` */
  async #tokenCaller(tokens: Pick<TokenVerifier, 'verify'>, text: string): Promise<Caller | Refused> {
    const said = await tokens.verify(text);
    if (isRefused(said)) return said;
    const { holder: key, project: id, scopes } = said;
    const project = this.#o.provisioned.project(id) ?? (await this.#o.projects.get(id))?.project ?? null;
    if (project === null) return refused('no_project');
    if (project.archivedAt !== null) return refused('archived');
    const { models, limits, weight } = project;
    return { project: id, key, permissions: { scopes, models }, limits, weight };
  }

  /** Tokens administer nothing: who has a good one is told that, whatever it says of projects. @throws DispatchError `keys_unavailable` */
  async #tokenAtAdmin(tokens: Pick<TokenVerifier, 'verify'>, text: string): Promise<Refused> {
    const said = await tokens.verify(text);
    const isGood = !isRefused(said) || said.refused === 'no_project' || said.refused === 'no_scope';
    return isGood ? refused('wrong_kind') : said;
  }

  #judge<T>(text: string, found: FoundKey | null, judge: Judge<T>): T | Refused {
    if (found === null) return refused('unknown');
    const isSame = this.#o.peppers.matches(text, found.key);
    if (isSame === null) return refused('no_pepper');
    if (!isSame) return refused('unknown');
    return this.#living(found, judge);
  }

  #living<T>({ key, project }: FoundKey, judge: Judge<T>): T | Refused {
    const now = Math.floor(this.#o.clock.now() / 1000);
    if (key.expiresAt !== null && key.expiresAt <= now) return refused('expired');
    return judge(key, project, now);
  }

  #callerWith(key: KeyRecord, project: Project | null, now: number): Caller | Refused {
    const isHeld = project?.serviceAccounts.some(account => account.id === key.account) === true;
    if (project === null || !isHeld) return refused('unknown');
    if (project.archivedAt !== null) return refused('archived');
    this.#o.uses.note(key.id, now);
    const { id, models, limits, weight } = project;
    return { project: id, key: key.id, permissions: { scopes: key.scopes, models }, limits, weight };
  }
}

type Judge<T> = (key: KeyRecord, project: Project | null, now: number) => T | Refused;

/** Digest → what the digest names. */
function namesOf(keys: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    keys.map(key => {
      const digest = hash('sha256', key, 'buffer');
      return [digest.toString('base64'), tenantOfDigest(digest)];
    }),
  );
}

function asConfigured(tenant: string, found: FoundProject | null): Caller | Refused {
  const project = found?.project ?? null;
  if (project !== null && project.archivedAt !== null) return refused('archived');
  const permissions = { scopes: null, models: project?.models ?? null };
  const { limits = {}, weight = USUAL_WEIGHT } = project ?? {};
  return { project: tenant, key: tenant, permissions, limits, weight };
}

function refused(why: Refusal): Refused {
  return { refused: why };
}
