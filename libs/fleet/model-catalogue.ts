/**
 * The models of a region: those that workers announce in their heartbeats, and those that the registry remembers. A model is
 * - *known* from its first announcement, also while its workers are away: requests wait for them;
 * - *withdrawn* once a worker that goes on serves it no more (an adapter was unloaded) and no other has served it for
 *   {@link WITHDRAWN_AFTER_MS}: then nobody is expected to serve it, and what waits for it is refused. An announcement brings it back.
 */
import { type Affinity, defaultAffinity } from '@penstock/policy';
import { type ModelInfo, queuesOf } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';

/** How old the registry's answer may be, ms. Models rarely change, and every line of a batch looks one up. */
const REGISTERED_FOR_MS = 5000;
/** An adapter that is replaced is away for a moment. */
export const WITHDRAWN_AFTER_MS = 2000;

export interface ModelCatalogueOptions {
  /** Every model the registry remembers: its workers may all be away. */
  readonly listRegistered: () => Promise<readonly ModelInfo[]>;
  /** The registry is to say whether the model is withdrawn. */
  readonly register: (model: ModelInfo) => void;
  readonly clock: Clock;
}

export class ModelCatalogue {
  readonly #o: ModelCatalogueOptions;
  readonly #models = new Map<string, ModelInfo>();
  readonly #affinities = new Map<string, Affinity>();
  /** Slug of a queue → name of its model. */
  readonly #names = new Map<string, string>();
  readonly #announced = new Set<string>();
  /** Models that a worker serves no more, since monotonic ms. */
  readonly #dropped = new Map<string, { readonly model: ModelInfo; readonly since: number }>();
  readonly #withdrawn = new Map<string, ModelInfo>();
  /** Their queues; null where they have to be looked up. */
  #withdrawnQueues: ReadonlySet<string> | null = null;
  #registered: ReadonlySet<string> = new Set();
  #listedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ModelCatalogueOptions) {
    this.#o = options;
  }

  /** A worker serves a model. */
  announce(model: ModelInfo): void {
    const { name } = model;
    this.#announced.add(name);
    this.#dropped.delete(name);
    // This process or another one may have told the registry otherwise.
    if (this.#restore(name)) this.#o.register(model);
    this.#learn(model);
  }

  /** A worker that goes on serves a model no more. */
  drop(model: ModelInfo): void {
    this.#dropped.set(model.name, { model, since: this.#o.clock.monotonic() });
  }

  /** To be called once a second. @param served names of the models that any worker serves. */
  sweep(served: () => ReadonlySet<string>): void {
    const now = this.#o.clock.monotonic();
    for (const [name, { model, since }] of this.#dropped) {
      if (now - since < WITHDRAWN_AFTER_MS) continue;
      this.#dropped.delete(name);
      if (served().has(name)) continue;
      const withdrawn = { ...model, withdrawnAt: this.#o.clock.now() };
      this.#withdraw(withdrawn);
      this.#o.register(withdrawn);
    }
  }

  #withdraw(model: ModelInfo): void {
    this.#models.delete(model.name);
    this.#announced.delete(model.name);
    this.#withdrawn.set(model.name, model);
    this.#withdrawnQueues = null;
  }

  #restore(name: string): boolean {
    this.#withdrawnQueues = null;
    return this.#withdrawn.delete(name);
  }

  /** @param slug of a queue. */
  isWithdrawn(slug: string): boolean {
    if (this.#withdrawn.size === 0) return false;
    this.#withdrawnQueues ??= new Set([...this.#withdrawn.values()].flatMap(queuesOf));
    return this.#withdrawnQueues.has(slug);
  }

  /** Those that nobody is expected to serve. */
  withdrawn(): Iterable<ModelInfo> {
    return this.#withdrawn.values();
  }

  /** Reads the registry. What workers announced themselves is newer and stays. */
  async readRegistry(): Promise<void> {
    const listed = await this.#o.listRegistered();
    for (const model of listed) {
      if (this.#announced.has(model.name)) continue;
      if (model.withdrawnAt !== undefined) this.#withdraw(model);
      else if (this.#restore(model.name) || !this.#models.has(model.name)) this.#learn(model);
    }
    const registered = listed.filter(model => model.withdrawnAt === undefined);
    this.#registered = new Set(registered.map(model => model.name));
    this.#listedAt = this.#o.clock.monotonic();
  }

  /** A worker that does not know a model's architecture does not overrule one that does. */
  #learn(model: ModelInfo): void {
    const known = this.#models.get(model.name)?.architecture ?? null;
    const learned = { ...model, architecture: model.architecture ?? known };
    this.#models.set(model.name, learned);
    this.#affinities.set(model.slug, defaultAffinity(learned.architecture));
    for (const queue of queuesOf(model)) this.#names.set(queue, model.name);
  }

  /** As {@link get}, but asks the registry again about a name that is not known: its first worker may just have started. */
  async isKnown(name: string): Promise<boolean> {
    if (this.#announced.has(name)) return true;
    const isFresh = this.#o.clock.monotonic() - this.#listedAt <= REGISTERED_FOR_MS;
    if (isFresh && this.#registered.has(name)) return true;
    await this.readRegistry();
    return this.#registered.has(name);
  }

  get(name: string): ModelInfo | undefined {
    return this.#models.get(name);
  }

  /** The model whose requests wait in a queue; undefined where nothing of it is known. @param slug of the queue. */
  nameOf(slug: string): string | undefined {
    return this.#names.get(slug);
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
