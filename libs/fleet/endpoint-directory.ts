/** What the workers of a model can be asked, and in which queue a request finds those that have its endpoint. */
import { ENDPOINTS, type Endpoint, type ModelInfo, queueOf } from '@penstock/protocol';
import type { Members } from './members.ts';

/** Queue → slots of the workers that take work from it now. */
type Queues = Map<string, number>;

export class EndpointDirectory {
  readonly #members: Members;
  readonly #rand: () => number;
  /** By slug. */
  readonly #known = new Map<string, ReadonlyMap<Endpoint, Queues>>();
  /** {@link Members.version} that they are of. */
  #version = -1;

  /** @param rand uniform in [0, 1). */
  constructor(members: Members, rand: () => number) {
    this.#members = members;
    this.#rand = rand;
  }

  /** What at least one worker has; while none is there, what was last heard of the model. */
  endpointsOf(model: ModelInfo): Endpoint[] {
    const known = this.#of(model.slug);
    return known.size === 0 ? [...model.endpoints] : ENDPOINTS.filter(endpoint => known.has(endpoint));
  }

  /** The slug of the queue for a request; null where no worker of the model has the endpoint. */
  queueFor(model: ModelInfo, endpoint: Endpoint): string | null {
    const known = this.#of(model.slug);
    if (known.size === 0) return queueOf(model, endpoint);
    const queues = known.get(endpoint);
    return queues === undefined ? null : this.#choose(queues);
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

  #of(slug: string): ReadonlyMap<Endpoint, Queues> {
    if (this.#version !== this.#members.version) this.#known.clear();
    this.#version = this.#members.version;
    const known = this.#known.get(slug) ?? this.#look(slug);
    this.#known.set(slug, known);
    return known;
  }

  #look(slug: string): ReadonlyMap<Endpoint, Queues> {
    const found = new Map<Endpoint, Queues>();
    for (const { heartbeat, lost } of this.#members.all())
      for (const model of heartbeat.models) {
        if (model.slug !== slug) continue;
        for (const endpoint of model.endpoints) {
          const queue = queueOf(model, endpoint) ?? slug;
          const queues = found.get(endpoint) ?? new Map<string, number>();
          const slots = heartbeat.pulling && !lost ? heartbeat.slots : 0;
          found.set(endpoint, queues.set(queue, (queues.get(queue) ?? 0) + slots));
        }
      }
    return found;
  }
}
