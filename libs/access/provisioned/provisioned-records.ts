/**
 * Projects and keys that are kept, and beside them those of the operator's file: what the file says of a project counts, and keys that were made for
 * it go on, too. Of what is in the file nothing can be changed here.
 */
import { DispatchError, type KeyRecord, type Project } from '@penstock/protocol';
import type { ProjectRecords } from '@penstock/transport';
import type { Provisioned } from './provisioned.ts';

export class ProvisionedRecords implements ProjectRecords {
  readonly #kept: ProjectRecords;
  readonly #file: Provisioned;

  constructor(kept: ProjectRecords, file: Provisioned) {
    this.#kept = kept;
    this.#file = file;
  }

  get connected(): boolean {
    return this.#kept.connected;
  }

  async version(): Promise<number> {
    return (await this.#kept.version()) + this.#file.revision;
  }

  async project(id: string): Promise<Project | null> {
    return this.#withFile(id, await this.#kept.project(id));
  }

  async projects(): Promise<Project[]> {
    const kept = await this.#kept.projects();
    const both = kept.map(project => this.#withFile(project.id, project) ?? project);
    const ids = new Set(kept.map(({ id }) => id));
    return [...this.#file.projects().filter(({ id }) => !ids.has(id)), ...both];
  }

  async putProject(project: Project): Promise<boolean> {
    if (this.#file.project(project.id) !== null) throw new DispatchError('kept_in_file');
    return this.#kept.putProject(project);
  }

  async key(id: string): Promise<KeyRecord | null> {
    return this.#file.key(id) ?? this.#kept.key(id);
  }

  async keys(project: string | null): Promise<KeyRecord[]> {
    const own = project === null ? [] : this.#file.keys(project);
    return [...own, ...(await this.#kept.keys(project))];
  }

  async putKey(key: KeyRecord): Promise<boolean> {
    // One that was made before may be given another name or end.
    const isNew = key.revision === 1 && key.project !== null && this.#file.project(key.project) !== null;
    if (isNew || this.#file.key(key.id) !== null) throw new DispatchError('kept_in_file');
    return this.#kept.putKey(key);
  }

  async removeKey(key: Pick<KeyRecord, 'id' | 'project'>): Promise<boolean> {
    if (this.#file.key(key.id) !== null) throw new DispatchError('kept_in_file');
    return this.#kept.removeKey(key);
  }

  noteUses(uses: ReadonlyMap<string, number>): Promise<void> {
    return this.#kept.noteUses(uses);
  }

  uses(ids: readonly string[]): Promise<(number | null)[]> {
    return this.#kept.uses(ids);
  }

  close(): Promise<void> {
    return this.#kept.close();
  }

  #withFile(id: string, kept: Project | null): Project | null {
    const own = this.#file.project(id);
    if (own === null || kept === null) return own ?? kept;
    const serviceAccounts = [...own.serviceAccounts, ...kept.serviceAccounts];
    return { ...own, serviceAccounts, createdAt: kept.createdAt, revision: kept.revision };
  }
}
