import type { DataKeyRecords, WrappedKey } from '../ports/sealing/data-key-records.ts';

/** Wrapped data keys in this process. */
export class MemoryDataKeys implements DataKeyRecords {
  readonly #keys = new Map<string, Map<string, WrappedKey>>();

  async ofDay(project: string, day: string): Promise<WrappedKey | null> {
    return this.#keys.get(project)?.get(day) ?? null;
  }

  async keep(project: string, day: string, key: WrappedKey): Promise<WrappedKey> {
    const days = this.#keys.get(project) ?? new Map<string, WrappedKey>();
    this.#keys.set(project, days);
    const kept = days.get(day) ?? key;
    days.set(day, kept);
    return kept;
  }

  async rewrap(project: string, day: string, key: WrappedKey, before: string): Promise<boolean> {
    const kept = this.#keys.get(project)?.get(day);
    if (kept?.id !== key.id || kept.wrapped !== before) return false;
    this.#keys.get(project)?.set(day, key);
    return true;
  }

  async *all(project: string | null) {
    for (const [each, days] of this.#keys)
      if (project === null || each === project)
        for (const [day, key] of days) yield { project: each, day, key };
  }

  async erase(project: string): Promise<number> {
    const many = this.#keys.get(project)?.size ?? 0;
    this.#keys.delete(project);
    return many;
  }

  async close(): Promise<void> {}
}
