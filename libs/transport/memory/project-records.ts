import type { KeyRecord, Project } from '@penstock/protocol';
import type { ProjectRecords } from '../ports/project-records.ts';

export class MemoryProjectRecords implements ProjectRecords {
  connected = true;
  readonly #projects = new Map<string, Project>();
  readonly #keys = new Map<string, KeyRecord>();
  readonly #uses = new Map<string, number>();
  #version = 0;

  async version(): Promise<number> {
    return this.#version;
  }

  async project(id: string): Promise<Project | null> {
    return this.#projects.get(id) ?? null;
  }

  async projects(): Promise<Project[]> {
    return [...this.#projects.values()];
  }

  async putProject(project: Project): Promise<boolean> {
    return this.#put(this.#projects, project);
  }

  async key(id: string): Promise<KeyRecord | null> {
    return this.#keys.get(id) ?? null;
  }

  async keys(project: string | null): Promise<KeyRecord[]> {
    return [...this.#keys.values()].filter(key => key.project === project);
  }

  async putKey(key: KeyRecord): Promise<boolean> {
    return this.#put(this.#keys, key);
  }

  async removeKey({ id }: Pick<KeyRecord, 'id'>): Promise<boolean> {
    this.#version++;
    this.#uses.delete(id);
    return this.#keys.delete(id);
  }

  async noteUses(uses: ReadonlyMap<string, number>): Promise<void> {
    for (const [id, at] of uses) this.#uses.set(id, at);
  }

  async uses(ids: readonly string[]): Promise<(number | null)[]> {
    return ids.map(id => this.#uses.get(id) ?? null);
  }

  async close(): Promise<void> {}

  #put<T extends { readonly id: string; readonly revision: number }>(
    kept: Map<string, T>,
    record: T,
  ): boolean {
    if ((kept.get(record.id)?.revision ?? 0) !== record.revision - 1) return false;
    kept.set(record.id, record);
    this.#version++;
    return true;
  }
}
