/**
 * The room in the queue, and each tenant's share of it. Stored work is counted in the store, for all nodes together; calls and streams by
 * the node that holds their clients, each on its own: the more nodes one tenant fills, the less is left for each of them.
 */
import { type Amount, type BacklogLimits, backlogLimits } from '@penstock/policy';
import { backlogFull } from '@penstock/runs';
import { oneAtATime } from '@penstock/runtime';
import type { QueueAdmin } from '@penstock/transport';

export interface QueueRoomOptions {
  readonly queue: Pick<QueueAdmin, 'fill'>;
  readonly region: string;
  readonly shards: number;
  /** What one stream holds at most. */
  readonly limits: Amount;
  /** Whether a worker takes work for the model of a queue. */
  readonly isServed: (slug: string) => boolean;
}

const NOTHING: Amount = { messages: 0, bytes: 0 };

/** A request that is to be queued. */
export interface Queued {
  readonly tenant: string;
  readonly slug: string;
  readonly bytes: number;
}

export class QueueRoom {
  readonly #o: QueueRoomOptions;
  /** By `t:` and the tenant, `m:` and the slug. */
  readonly #held = new Map<string, Amount>();
  /** What was in the queue when it was last asked, and what has been put there since. */
  #taken: Amount = NOTHING;
  readonly #ask = oneAtATime(() => this.#look());

  constructor(options: QueueRoomOptions) {
    this.#o = options;
  }

  /** Call once a second. */
  tick(): void {
    void this.#ask();
  }

  /** How much work there may be with a stored run, which counts as queued until the queue is asked again. */
  limitsOf(run: Pick<Queued, 'slug'>, bytes: number): BacklogLimits {
    const limits = this.#limitsOf(run, bytes);
    this.#taken = plus(this.#taken, { messages: 1, bytes });
    return limits;
  }

  #limitsOf({ slug }: Pick<Queued, 'slug'>, bytes: number): BacklogLimits {
    const { limits, shards, isServed } = this.#o;
    const total = { messages: shards * limits.messages, bytes: shards * limits.bytes };
    return backlogLimits(total, this.#taken, bytes, isServed(slug));
  }

  /** A call or a stream. @returns what has to be called when it is over. @throws DispatchError `queue_full` */
  enter(request: Queued): () => void {
    const { tenant, model } = this.#limitsOf(request, request.bytes);
    const [own, ofModel] = [`t:${request.tenant}`, `m:${request.slug}`];
    const one = { messages: 1, bytes: request.bytes };
    if (!this.#fits(own, one, tenant)) throw backlogFull('tenant');
    if (model !== undefined && !this.#fits(ofModel, one, model)) throw backlogFull('model');
    this.#taken = plus(this.#taken, one);
    for (const name of [own, ofModel]) this.#add(name, one);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      for (const name of [own, ofModel]) this.#add(name, { messages: -1, bytes: -request.bytes });
    };
  }

  #fits(of: string, one: Amount, most: Amount): boolean {
    const { messages, bytes } = plus(this.#held.get(of) ?? NOTHING, one);
    return messages <= most.messages && bytes <= most.bytes;
  }

  #add(of: string, more: Amount): void {
    const held = plus(this.#held.get(of) ?? NOTHING, more);
    if (held.messages === 0) this.#held.delete(of);
    else this.#held.set(of, held);
  }

  async #look(): Promise<void> {
    const { queue, region, shards } = this.#o;
    const all = await Promise.all(Array.from({ length: shards }, (_, shard) => queue.fill(region, shard)));
    // A stream that cannot say anything now is as full as it was.
    const known = all.filter(each => each !== null);
    if (known.length === all.length) this.#taken = known.reduce(plus, NOTHING);
  }
}

function plus(a: Amount, b: Amount): Amount {
  return { messages: a.messages + b.messages, bytes: a.bytes + b.bytes };
}
