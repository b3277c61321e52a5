/**
 * Which models a name may stand for, as the operator says: an alias for the model that it names, and either of them for those that
 * may stand in while the model has no worker.
 */

export interface ModelNamesOptions {
  /** Alias → model. */
  readonly aliases: ReadonlyMap<string, string>;
  /** Model or alias → models or aliases that may stand in, in this order. */
  readonly fallbacks: ReadonlyMap<string, readonly string[]>;
}

export const NO_NAMES: ModelNamesOptions = { aliases: new Map(), fallbacks: new Map() };

export class ModelNames {
  readonly #o: ModelNamesOptions;

  constructor(options: ModelNamesOptions) {
    this.#o = options;
  }

  /** The model that is meant. */
  target(name: string): string {
    return this.#o.aliases.get(name) ?? name;
  }

  /** Models that may stand in for it, without it. */
  standIns(name: string): readonly string[] {
    const { aliases, fallbacks } = this.#o;
    if (fallbacks.size === 0) return [];
    const target = this.target(name);
    const names = fallbacks.get(name) ?? fallbacks.get(target) ?? [];
    return names.map(other => aliases.get(other) ?? other).filter(other => other !== target);
  }

  aliases(): Iterable<string> {
    return this.#o.aliases.keys();
  }
}
