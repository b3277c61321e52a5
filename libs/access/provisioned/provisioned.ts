/** Projects and keys of the operator's file, as they are at the moment. */
import { hash } from 'node:crypto';
import type { KeyRecord, Project } from '@penstock/protocol';

export interface FileKey extends KeyRecord {
  readonly project: string;
}

export interface Provision {
  /** By id. */
  readonly projects: ReadonlyMap<string, Project>;
  /** By the SHA-256 of the key, in hex. How far two digests agree says nothing of the keys. */
  readonly keys: ReadonlyMap<string, FileKey>;
}

export class Provisioned {
  #current: Provision = { projects: new Map(), keys: new Map() };
  #keysById = new Map<string, FileKey>();
  #revision = 0;

  /** Counts changes. */
  get revision(): number {
    return this.#revision;
  }

  set(provision: Provision): void {
    this.#current = provision;
    this.#keysById = new Map([...provision.keys.values()].map(key => [key.id, key]));
    this.#revision++;
  }

  projects(): Project[] {
    return [...this.#current.projects.values()];
  }

  project(id: string): Project | null {
    return this.#current.projects.get(id) ?? null;
  }

  keys(project: string): FileKey[] {
    return [...this.#keysById.values()].filter(key => key.project === project);
  }

  key(id: string): FileKey | null {
    return this.#keysById.get(id) ?? null;
  }

  /** @param text the key itself. */
  find(text: string): { readonly key: FileKey; readonly project: Project } | null {
    if (this.#keysById.size === 0) return null;
    const key = this.#current.keys.get(hash('sha256', text));
    const project = key === undefined ? null : this.project(key.project);
    return key === undefined || project === null ? null : { key, project };
  }
}
