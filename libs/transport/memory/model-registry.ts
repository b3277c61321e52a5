import type { ModelRegistry } from '../ports/model-registry.ts';

export class MemoryModelRegistry implements ModelRegistry {
  readonly #regions = new Map<string, Map<string, Uint8Array>>();

  async announce(region: string, slug: string, info: Uint8Array): Promise<void> {
    const models = this.#regions.get(region) ?? new Map();
    this.#regions.set(region, models.set(slug, info));
  }

  async remove(region: string, slug: string): Promise<void> {
    this.#regions.get(region)?.delete(slug);
  }

  async list(region: string): Promise<Uint8Array[]> {
    return [...(this.#regions.get(region)?.values() ?? [])];
  }
}
