import type { KeyRecord, Project } from '@penstock/protocol';

/** Projects and keys. Every change raises the version. Lists are oldest first. */
export interface ProjectRecords {
  /** Whether reads are answered now: else they would wait. */
  readonly connected: boolean;
  /** Counts changes to projects and keys. */
  version(): Promise<number>;
  project(id: string): Promise<Project | null>;
  projects(): Promise<Project[]>;
  /** @returns false where the project that is kept has another revision than the one before this, 0 for a new one: read it again. */
  putProject(project: Project): Promise<boolean>;
  key(id: string): Promise<KeyRecord | null>;
  /** @param project null for admin keys. */
  keys(project: string | null): Promise<KeyRecord[]>;
  /** As {@link putProject}. */
  putKey(key: KeyRecord): Promise<boolean>;
  /** @returns false where there is none. */
  removeKey(key: Pick<KeyRecord, 'id' | 'project'>): Promise<boolean>;
  /** Does not raise the version. @param uses id of a key → Unix seconds. */
  noteUses(uses: ReadonlyMap<string, number>): Promise<void>;
  /** When keys were used last, Unix seconds; in the order of the ids, null for a key that never was. */
  uses(ids: readonly string[]): Promise<(number | null)[]>;
  close(): Promise<void>;
}
