/** The models of a region: those that workers announce in their heartbeats, and those that the registry remembers. */
import { type Affinity, defaultAffinity } from '@penstock/policy';
import type { ModelInfo } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';

/** How old the registry's answer may be, ms. Models rarely change, and every line of a batch looks one up. */
const REGISTERED_FOR_MS = 5000;

export class ModelCatalogue {
  readonly #listRegistered: () => Promise<readonly ModelInfo[]>;
  readonly #clock: Clock;
  readonly #models = new Map<string, ModelInfo>();
  readonly #affinities = new Map<string, Affinity>();
  readonly #announced = new Set<string>();
  #registered: ReadonlySet<string> = new Set();
  #listedAt = Number.NEGATIVE_INFINITY;

  /** @param listRegistered every model the registry remembers: its workers may all be away. */
  constructor(listRegistered: () => Promise<readonly ModelInfo[]>, clock: Clock) {
    this.#listRegistered = listRegistered;
    this.#clock = clock;
  }

  /** A worker serves a model. */
  announce(model: ModelInfo): void {
    this.#announced.add(model.name);
    this.#learn(model);
  }

  /** Reads the registry. What workers announced themselves is newer and stays. */
  async readRegistry(): Promise<void> {
    const registered = await this.#listRegistered();
    for (const model of registered) if (!this.#models.has(model.name)) this.#learn(model);
    this.#registered = new Set(registered.map(model => model.name));
    this.#listedAt = this.#clock.monotonic();
  }

  /** A worker that does not know a model's architecture does not overrule one that does. */
  #learn(model: ModelInfo): void {
    const known = this.#models.get(model.name)?.architecture ?? null;
    const learned = { ...model, architecture: model.architecture ?? known };
    this.#models.set(model.name, learned);
    this.#affinities.set(model.slug, defaultAffinity(learned.architecture));
  }

  /** As {@link get}, but asks the registry again about a name that is not known: its first worker may just have started. */
  async isKnown(name: string): Promise<boolean> {
    if (this.#announced.has(name)) return true;
    const isFresh = this.#clock.monotonic() - this.#listedAt <= REGISTERED_FOR_MS;
    if (isFresh && this.#registered.has(name)) return true;
    await this.readRegistry();
    return this.#registered.has(name);
  }

  get(name: string): ModelInfo | undefined {
    return this.#models.get(name);
  }

  /** By name. */
  all(): ModelInfo[] {
    return [...this.#models.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** How a model's requests are bound to workers where the operator did not say. */
  defaultAffinity(slug: string): Affinity {
    return this.#affinities.get(slug) ?? defaultAffinity(null);
  }
}
