/** What operators do with keys. A key itself is known only to whoever has it made. */
import { DispatchError, type KeyRecord, type Project } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { ProjectRecords } from '@penstock/transport';
import { type KeyKind, mintKey } from '../key-text.ts';
import type { Peppers } from '../peppers.ts';
import type { Actor, Deed, Deeds } from './deeds.ts';
import { accountOf } from './project-office.ts';

/** Of a project, and of operators. */
const MOST_KEYS = 1000;
const HINT_LENGTH = 4;

export interface KeyOfficeOptions {
  readonly records: ProjectRecords;
  readonly deeds: Deeds;
  readonly peppers: Pick<Peppers, 'mark'>;
  readonly clock: Pick<Clock, 'now'>;
}

export interface NewKey {
  readonly key: KeyRecord;
  /** The key itself. */
  readonly text: string;
}

export interface Rotated {
  readonly made: NewKey;
  /** As it is now; null where it is gone. */
  readonly old: KeyRecord | null;
}

interface Holder {
  readonly kind: KeyKind;
  readonly project: string | null;
  readonly account: string | null;
}

export interface KeyWishes {
  readonly name: string;
  readonly expiresInS?: number | null | undefined;
  readonly scopes?: readonly string[] | null | undefined;
}

export class KeyOffice {
  readonly #o: KeyOfficeOptions;

  constructor(options: KeyOfficeOptions) {
    this.#o = options;
  }

  /** Oldest first. @param project null for admin keys. */
  list(project: string | null): Promise<KeyRecord[]> {
    return this.#o.records.keys(project);
  }

  /** When keys were used last, Unix seconds; null for a key that never was. */
  async usesOf(keys: readonly KeyRecord[]): Promise<ReadonlyMap<string, number | null>> {
    const ids = keys.map(({ id }) => id);
    const uses = await this.#o.records.uses(ids);
    return new Map(ids.map((id, i) => [id, uses[i] ?? null]));
  }

  /** @throws DispatchError `key_not_found`, also for a key of another project. */
  async find(project: string | null, id: string): Promise<KeyRecord> {
    const key = await this.#o.records.key(id);
    if (key === null || key.project !== project) throw new DispatchError('key_not_found');
    return key;
  }

  /** Of whichever project. @throws DispatchError `key_not_found` */
  async lookUp(id: string): Promise<KeyRecord> {
    const key = await this.#o.records.key(id);
    if (key === null) throw new DispatchError('key_not_found');
    return key;
  }

  /** @throws DispatchError where the account is not one of the project, it is archived, or no key can be made. */
  async create(by: Actor, project: Project, account: string, wishes: KeyWishes): Promise<NewKey> {
    accountOf(project, account);
    if (project.archivedAt !== null)
      throw new DispatchError('invalid_request', { message: 'The project is archived: it gets no keys.' });
    return this.#make(by, { kind: 'api', project: project.id, account }, wishes);
  }

  createAdmin(by: Actor, wishes: KeyWishes): Promise<NewKey> {
    return this.#make(by, { kind: 'admin', project: null, account: null }, wishes);
  }

  /**
   * Makes another key like it; the old one goes on for so long beside it, at once if that is 0.
   * @param wishes what is to be otherwise; a key that expires is followed by one that lasts as long
   */
  async rotate(by: Actor, id: string, overlapS: number, wishes: Partial<KeyWishes> = {}): Promise<Rotated> {
    const old = await this.lookUp(id);
    const { project, account, name, scopes, createdAt, expiresAt } = old;
    const lastsS = expiresAt === null ? null : expiresAt - createdAt;
    const made = await this.#make(
      by,
      { kind: project === null ? 'admin' : 'api', project, account },
      { name, scopes, expiresInS: lastsS, ...wishes },
    );
    if (overlapS <= 0) {
      await this.#remove(by, old);
      return { made, old: null };
    }
    const endsS = this.#nowS() + overlapS;
    // A key that ends sooner anyway must not live longer for it.
    if (expiresAt !== null && expiresAt <= endsS) return { made, old };
    const deed = deedOf('api_key.updated', old, { expires_at: endsS });
    return { made, old: await this.#put(by, deed, { ...old, expiresAt: endsS }) };
  }

  /** @throws DispatchError `no_key_pepper`: before anything else is made that only a key makes useful. */
  checkReady(): void {
    if (this.#o.peppers.mark('') === null) throw new DispatchError('no_key_pepper');
  }

  /** What is undefined stays. @param project null for an admin key. */
  async update(
    by: Actor,
    project: string | null,
    id: string,
    { name, scopes, expiresInS }: Partial<KeyWishes>,
  ): Promise<KeyRecord> {
    const key = await this.find(project, id);
    const expiresAt = expiresInS === undefined ? undefined : this.#endOf(expiresInS);
    return this.#put(by, deedOf('api_key.updated', key, { name, scopes, expires_at: expiresAt }), {
      ...key,
      name: name ?? key.name,
      scopes: scopes === undefined ? key.scopes : copyOf(scopes),
      expiresAt: expiresAt === undefined ? key.expiresAt : expiresAt,
    });
  }

  /** @throws DispatchError `key_not_found` */
  async remove(by: Actor, project: string | null, id: string): Promise<void> {
    await this.#remove(by, await this.find(project, id));
  }

  #remove(by: Actor, key: KeyRecord): Promise<void> {
    return this.#o.deeds.by(by, deedOf('api_key.deleted', key), async () => {
      if (!(await this.#o.records.removeKey(key))) throw new DispatchError('key_not_found');
    });
  }

  #put(by: Actor, deed: Deed, changed: KeyRecord): Promise<KeyRecord> {
    const after = { ...changed, revision: changed.revision + 1 };
    return this.#o.deeds.by(by, deed, async () => {
      if (!(await this.#o.records.putKey(after))) throw new DispatchError('store_unavailable');
      return after;
    });
  }

  async #make(
    by: Actor,
    { kind, project, account }: Holder,
    { name, expiresInS, scopes }: KeyWishes,
  ): Promise<NewKey> {
    const { id, text } = mintKey(kind);
    const mark = this.#o.peppers.mark(text);
    if (mark === null) throw new DispatchError('no_key_pepper');
    if ((await this.list(project)).length >= MOST_KEYS)
      throw new DispatchError('invalid_request', {
        message: `There are ${MOST_KEYS} keys, the most there can be. Delete one first.`,
      });
    const key: KeyRecord = {
      ...{ id, project, account, name, ...mark },
      ...{ hint: `${text.slice(0, -60)}…${text.slice(-HINT_LENGTH)}`, createdAt: this.#nowS() },
      ...{ expiresAt: this.#endOf(expiresInS), scopes: copyOf(scopes), revision: 0 },
    };
    const about = { name, kind, service_account: account ?? undefined, scopes, expires_at: key.expiresAt };
    return { key: await this.#put(by, deedOf('api_key.created', key, about), key), text };
  }

  #endOf(seconds: number | null | undefined): number | null {
    return seconds === null || seconds === undefined ? null : this.#nowS() + seconds;
  }

  #nowS(): number {
    return Math.floor(this.#o.clock.now() / 1000);
  }
}

function deedOf(action: string, { id, project }: KeyRecord, changes?: Deed['changes']): Deed {
  return { action, project, targets: [id], ...(changes === undefined ? {} : { changes }) };
}

function copyOf(scopes: readonly string[] | null | undefined): string[] | null {
  return scopes === null || scopes === undefined || scopes.length === 0 ? null : [...scopes];
}
