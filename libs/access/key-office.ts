/** What operators do with keys. A key itself is known only to whoever has it made. */
import { DispatchError, type KeyRecord, type Project } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { ProjectRecords } from '@penstock/transport';
import { type KeyKind, mintKey } from './key-text.ts';
import type { Peppers } from './peppers.ts';
import { accountOf } from './project-office.ts';

/** Of a project, and of operators. */
const MOST_KEYS = 1000;
const HINT_LENGTH = 4;

export interface KeyOfficeOptions {
  readonly records: ProjectRecords;
  readonly peppers: Pick<Peppers, 'mark'>;
  readonly clock: Pick<Clock, 'now'>;
}

export interface NewKey {
  readonly key: KeyRecord;
  /** The key itself. */
  readonly text: string;
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

  /** @throws DispatchError where the account is not one of the project, it is archived, or no key can be made. */
  create(project: Project, account: string, wishes: KeyWishes): Promise<NewKey> {
    accountOf(project, account);
    if (project.archivedAt !== null)
      throw new DispatchError('invalid_request', { message: 'The project is archived: it gets no keys.' });
    return this.#make('api', project.id, account, wishes);
  }

  createAdmin(wishes: KeyWishes): Promise<NewKey> {
    return this.#make('admin', null, null, wishes);
  }

  /** @throws DispatchError `no_key_pepper`: before anything else is made that only a key makes useful. */
  checkReady(): void {
    if (this.#o.peppers.mark('') === null) throw new DispatchError('no_key_pepper');
  }

  /** What is undefined stays. */
  async update(project: string, id: string, wishes: Partial<KeyWishes>): Promise<KeyRecord> {
    const key = await this.find(project, id);
    const after: KeyRecord = {
      ...key,
      name: wishes.name ?? key.name,
      scopes: wishes.scopes === undefined ? key.scopes : copyOf(wishes.scopes),
      expiresAt: wishes.expiresInS === undefined ? key.expiresAt : this.#endOf(wishes.expiresInS),
      revision: key.revision + 1,
    };
    if (!(await this.#o.records.putKey(after))) throw new DispatchError('store_unavailable');
    return after;
  }

  /** @throws DispatchError `key_not_found` */
  async remove(project: string | null, id: string): Promise<void> {
    const key = await this.find(project, id);
    if (!(await this.#o.records.removeKey(key))) throw new DispatchError('key_not_found');
  }

  async #make(
    kind: KeyKind,
    project: string | null,
    account: string | null,
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
      ...{ expiresAt: this.#endOf(expiresInS), scopes: copyOf(scopes), revision: 1 },
    };
    if (!(await this.#o.records.putKey(key))) throw new DispatchError('store_unavailable');
    return { key, text };
  }

  #endOf(seconds: number | null | undefined): number | null {
    return seconds === null || seconds === undefined ? null : this.#nowS() + seconds;
  }

  #nowS(): number {
    return Math.floor(this.#o.clock.now() / 1000);
  }
}

function copyOf(scopes: readonly string[] | null | undefined): string[] | null {
  return scopes === null || scopes === undefined || scopes.length === 0 ? null : [...scopes];
}
