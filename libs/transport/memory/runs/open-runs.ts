import type { OpenRuns } from '../../ports/runs/open-runs.ts';
import type { MemoryRunStore } from './run-store.ts';

/** Those of a {@link MemoryRunStore}, two at a time. */
export class MemoryOpenRuns implements OpenRuns {
  readonly #store: MemoryRunStore;
  #owner: { readonly process: string; readonly until: number } | null = null;

  constructor(store: MemoryRunStore) {
    this.#store = store;
  }

  async some(from: string | null): ReturnType<OpenRuns['some']> {
    const later = this.#store.records.openIds().filter(id => from === null || id > from);
    const ids = later.slice(0, 2);
    return { ids, next: later.length > 2 ? (ids[1] ?? null) : null };
  }

  async claim(process: string, forMs: number): Promise<boolean> {
    const now = this.#store.records.clock.now();
    if (this.#owner !== null && this.#owner.process !== process && now < this.#owner.until) return false;
    this.#owner = { process, until: now + forMs };
    return true;
  }

  async close(): Promise<void> {}
}
