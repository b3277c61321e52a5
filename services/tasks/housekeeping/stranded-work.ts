/**
 * Moves stored work out of shards in which no worker serves its model, to one in which some do: also out of those that the region no longer
 * has, after their number was lowered. It is taken off the queue as a worker would take it, so that what several processes do at once has one
 * set of rules. Calls and streams are moved by the ingress that waits for them.
 */
import { type QueueAddress, readEnvelope, type WorkQueueKey, workFilter } from '@penstock/protocol';
import type { RunRequeue } from '@penstock/runs';
import type { Logger } from '@penstock/runtime';
import type { Delivery, Puller, QueueAdmin, WorkConsumer } from '@penstock/transport';
import { every, rounds } from './rounds.ts';
import type { HousekeepingObserver } from './sweeper.ts';

/** Workers of a shard are lost for a while when all of them are started anew. */
const EVERY_MS = 3000;
/** With a single shard, only after there were more. */
const EVERY_SINGLE_MS = 30_000;
/** The last to be served. */
const OFFER = { level: 9, batch: 16 } as const;
/** Before a message is delivered again that is not ours, or that could not be moved, ms. */
const LATER_MS = 5000;

export interface StrandedWorkOptions {
  readonly fleet: {
    /** Whether no worker of the shard serves the queue while one of another does. */
    isStranded(slug: string, shard: number): boolean;
    shardFor(slug: string): number;
  };
  readonly queue: Pick<QueueAdmin, 'queuesWithWork'> & Pick<WorkConsumer, 'pull' | 'settle'>;
  readonly requeue: Pick<RunRequeue, 'toShard'>;
  readonly region: string;
  readonly shards: number;
  readonly watch: Pick<HousekeepingObserver, 'failed'>;
  readonly log: Logger;
}

export class StrandedWork {
  readonly #o: StrandedWorkOptions;
  /** One round. Never rejects. */
  readonly look: () => Promise<void>;
  /** By filter of the queue. */
  readonly #pulls = new Map<string, Puller>();

  constructor(options: StrandedWorkOptions) {
    this.#o = options;
    const trouble = 'shards without workers not looked at; trying again';
    this.look = rounds({ ...options, what: 'stranded', trouble }, () => this.#look());
  }

  /** Looks every three seconds; several processes may. @returns a function that stops it. */
  start(): () => void {
    const stop = every(this.#o.shards > 1 ? EVERY_MS : EVERY_SINGLE_MS, this.look);
    return () => {
      stop();
      this.#pullFrom([]);
    };
  }

  async #look(): Promise<void> {
    const { fleet, queue, region } = this.#o;
    const queues = await queue.queuesWithWork(region, shard => this.#mayStrand(shard));
    this.#pullFrom(queues.filter(({ slug, shard }) => fleet.isStranded(slug, shard)));
  }

  /** Nothing can be stranded in the only shard. */
  #mayStrand(shard: number): boolean {
    return this.#o.shards > 1 || shard > 0;
  }

  #pullFrom(queues: readonly WorkQueueKey[]): void {
    const wanted = new Map(queues.map(key => [workFilter(key), key]));
    for (const [filter, pull] of this.#pulls) {
      if (wanted.has(filter)) continue;
      this.#pulls.delete(filter);
      void pull.stop();
    }
    for (const [filter, key] of wanted)
      if (!this.#pulls.has(filter)) this.#pulls.set(filter, this.#pull(key));
    for (const pull of this.#pulls.values()) pull.bid(OFFER);
  }

  #pull(key: WorkQueueKey): Puller {
    const pull: Puller = this.#o.queue.pull(key, delivery => {
      void this.#take(delivery).finally(() => pull.bid(OFFER));
    });
    return pull;
  }

  /** Never rejects. */
  async #take({ address, data, deliveryCount, ackSubject }: Delivery): Promise<void> {
    const { queue, fleet, log } = this.#o;
    const work = readEnvelope(data);
    // Its ingress moves it, or a worker of a later version reads it.
    if (work === null || !work.meta.stored) return queue.settle(ackSubject, 'nak', LATER_MS);
    if (!fleet.isStranded(address.slug, address.shard)) return queue.settle(ackSubject, 'nak');
    try {
      const to: QueueAddress = { ...address, shard: fleet.shardFor(address.slug) };
      await this.#o.requeue.toShard(to, work, deliveryCount);
      queue.settle(ackSubject, 'ack');
      log.info({ id: work.meta.id, from: address.shard, to: to.shard }, 'moved to a shard that has workers');
    } catch (err) {
      log.warn({ id: work.meta.id, err }, 'not moved to another shard yet');
      queue.settle(ackSubject, 'nak', LATER_MS);
    }
  }
}
