import type { CompletionList } from '../../ports/runs/completion-list.ts';

/** Entries do not expire. */
export class MemoryCompletionList implements CompletionList {
  readonly #tenants = new Map<string, Map<string, number>>();

  async add(tenant: string, id: string, createdAt: number): Promise<void> {
    const list = this.#tenants.get(tenant) ?? new Map();
    this.#tenants.set(tenant, list.set(id, createdAt));
  }

  async remove(tenant: string, id: string): Promise<void> {
    this.#tenants.get(tenant)?.delete(id);
  }

  async page(
    tenant: string,
    order: 'asc' | 'desc',
    after: string | null,
    most: number,
  ): Promise<string[] | null> {
    const entries = [...(this.#tenants.get(tenant) ?? [])];
    // Ids of the same moment are in the order of their text, as in a sorted set.
    entries.sort(([a, aAt], [b, bAt]) => aAt - bAt || (a < b ? -1 : 1));
    const ids = entries.map(([id]) => id);
    if (order === 'desc') ids.reverse();
    const from = after === null ? 0 : ids.indexOf(after) + 1;
    return after !== null && from === 0 ? null : ids.slice(from, from + most);
  }
}
