/** Every model that was ever announced in a region, so that requests can wait for a model whose workers are all away. */
export interface ModelRegistry {
  /** @param info encoded model info; replaces what was announced for the slug before. */
  announce(region: string, slug: string, info: Uint8Array): Promise<void>;
  list(region: string): Promise<Uint8Array[]>;
  remove(region: string, slug: string): Promise<void>;
}
