/** What the workers of a model can be asked, and in which queue a request finds those that have its endpoint. */
import { ENDPOINTS, type Endpoint, type ModelInfo, queueOf } from '@penstock/protocol';
import type { Members } from './members.ts';

/** Queue → slots of the workers that take work from it now. */
type Queues = Map<string, number>;

/** Of one model. */
interface Known {
  /** Workers that take work now. */
  workers: number;
  readonly queues: Map<Endpoint, Queues>;
  /** Endpoint → how many of the workers have it. */
  readonly having: Map<Endpoint, number>;
}

export class EndpointDirectory {
  readonly #members: Members;
  readonly #rand: () => number;
  /** By slug. */
  readonly #known = new Map<string, Known>();
  /** {@link Members.version} that they are of. */
  #version = -1;

  /** @param rand uniform in [0, 1). */
  constructor(members: Members, rand: () => number) {
    this.#members = members;
    this.#rand = rand;
  }

  /** What at least one worker has; while none is there, what was last heard of the model. */
  endpointsOf(model: ModelInfo): Endpoint[] {
    const known = this.#of(model.slug).queues;
    return known.size === 0 ? [...model.endpoints] : ENDPOINTS.filter(endpoint => known.has(endpoint));
  }

  /** The slug of the queue for a request; null where no worker of the model has the endpoint. */
  queueFor(model: ModelInfo, endpoint: Endpoint): string | null {
    const known = this.#of(model.slug).queues;
    if (known.size === 0) return queueOf(model, endpoint);
    const queues = known.get(endpoint);
    return queues === undefined ? null : this.#choose(queues);
  }

  /** Whether every worker that takes work for the model has the endpoint; false while none does. */
  isEverywhere(model: ModelInfo, endpoint: Endpoint): boolean {
    const { workers, having } = this.#of(model.slug);
    return workers > 0 && having.get(endpoint) === workers;
  }

  /** Workers whose engines differ pull from different queues: each gets requests in proportion to its slots. */
  #choose(queues: Queues): string | null {
    const [first = null] = queues.keys();
    if (queues.size === 1) return first;
    const all = [...queues.values()].reduce((sum, slots) => sum + slots, 0);
    let left = this.#rand() * all;
    for (const [queue, slots] of queues) {
      left -= slots;
      if (left < 0) return queue;
    }
    return first;
  }

  #of(slug: string): Known {
    if (this.#version !== this.#members.version) this.#known.clear();
    this.#version = this.#members.version;
    const known = this.#known.get(slug) ?? this.#look(slug);
    this.#known.set(slug, known);
    return known;
  }

  #look(slug: string): Known {
    const found: Known = { workers: 0, queues: new Map(), having: new Map() };
    for (const { heartbeat, lost } of this.#members.all()) {
      const model = heartbeat.models.find(each => each.slug === slug);
      if (model === undefined) continue;
      const takesWork = heartbeat.pulling && !lost;
      if (takesWork) found.workers++;
      for (const endpoint of model.endpoints) {
        const queue = queueOf(model, endpoint) ?? slug;
        const queues = found.queues.get(endpoint) ?? new Map<string, number>();
        found.queues.set(
          endpoint,
          queues.set(queue, (queues.get(queue) ?? 0) + (takesWork ? heartbeat.slots : 0)),
        );
        if (takesWork) found.having.set(endpoint, (found.having.get(endpoint) ?? 0) + 1);
      }
    }
    return found;
  }
}
