import type { PlacementStore, PrefixOwners } from '../ports/placement-store.ts';

/** Entries do not expire. */
export class MemoryPlacementStore implements PlacementStore {
  readonly #owners = new Map<string, readonly string[]>();

  async lookup(prefixes: readonly string[]): Promise<string[][]> {
    return prefixes.map(prefix => [...(this.#owners.get(prefix) ?? [])]);
  }

  learn(entries: readonly PrefixOwners[]): void {
    for (const { prefix, owners } of entries) this.#owners.set(prefix, owners);
  }
}
