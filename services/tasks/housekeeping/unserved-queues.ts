/**
 * Makes the queues of models again that nobody serves. The broker deletes a queue that nobody has pulled from for two days, and loses
 * all with its disk; then what waits for a pool at zero workers is seen by no metric and by no scaler. A worker that comes
 * makes its queues by itself.
 */
import { type ModelInfo, queueKeys, queuesOf } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import type { QueueAdmin } from '@penstock/transport';
import { every, rounds } from './rounds.ts';
import type { HousekeepingObserver } from './sweeper.ts';

const EVERY_MS = 30_000;
/** Half of what a stream takes: the rest is for workers, and for models that are served. Adapters come and go by the thousand. */
const MOST_CONSUMERS = 2048;
/** Nobody pulls: a worker that comes sets its own. */
const ACK_WAIT_MS = 10_000;

export interface UnservedQueuesOptions {
  readonly fleet: { unservedModels(): readonly ModelInfo[] };
  readonly queue: Pick<QueueAdmin, 'restoreConsumers'>;
  readonly region: string;
  readonly shards: number;
  readonly watch: Pick<HousekeepingObserver, 'failed'>;
  readonly log: Logger;
  /** Consumers of a stream, from which on none is made; {@link MOST_CONSUMERS} where absent. */
  readonly most?: number;
}

export class UnservedQueues {
  readonly #o: UnservedQueuesOptions;
  /** One round. Never rejects. */
  readonly look: () => Promise<void>;

  constructor(options: UnservedQueuesOptions) {
    this.#o = options;
    const trouble = 'queues without workers not looked at; trying again';
    this.look = rounds({ ...options, what: 'queues', trouble }, () => this.#restore());
  }

  /** Looks every half minute; several processes may. @returns a function that stops it. */
  start(): () => void {
    return every(EVERY_MS, this.look);
  }

  async #restore(): Promise<void> {
    const { fleet, queue, region, shards, log, most = MOST_CONSUMERS } = this.#o;
    // The latest first, where not all can have one.
    const models = [...fleet.unservedModels()].sort((a, b) => b.created - a.created);
    if (models.length === 0) return;
    for (let shard = 0; shard < shards; shard++) {
      const keys = models.flatMap(model =>
        queuesOf(model).flatMap(slug => queueKeys(region, shard, slug, slug === model.slug)),
      );
      const made = await queue.restoreConsumers(region, shard, keys, { ackWaitMs: ACK_WAIT_MS, most });
      if (made > 0) log.info({ shard, queues: made }, 'queues of models without workers made again');
    }
  }
}
