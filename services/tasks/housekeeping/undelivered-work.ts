/**
 * Queues stored work again that the broker keeps and delivers to nobody. Its record says that it is queued and its message is there, so nothing else
 * notices, and its client would wait until the deadline. Calls and streams end with their ingress.
 */
import { type QueueAddress, readEnvelope, subjectOf } from '@penstock/protocol';
import type { RunRequeue } from '@penstock/runs';
import type { Clock, Logger } from '@penstock/runtime';
import type { QueueAdmin, WorkPublisher } from '@penstock/transport';
import { every, rounds } from './rounds.ts';
import type { HousekeepingObserver } from './sweeper.ts';

const EVERY_MS = 30_000;
/** What is counted changes while it is counted. What stays the same for so long is no matter of that, ms. */
const UNCHANGED_MS = 60_000;

export interface UndeliveredWorkOptions {
  readonly queue: Pick<QueueAdmin, 'undelivered'> & Pick<WorkPublisher, 'read'>;
  readonly requeue: Pick<RunRequeue, 'anew'>;
  readonly region: string;
  readonly shards: number;
  readonly watch: HousekeepingObserver;
  readonly clock: Clock;
  readonly log: Logger;
}

export class UndeliveredWork {
  readonly #o: UndeliveredWorkOptions;
  /** One round. Never rejects. */
  readonly look: () => Promise<void>;
  /** Subject → since when it has been found each time, monotonic ms. */
  #found = new Map<string, number>();

  constructor(options: UndeliveredWorkOptions) {
    this.#o = options;
    const trouble = 'undelivered work not looked for; trying again';
    this.look = rounds({ ...options, what: 'undelivered', trouble }, () => this.#look());
  }

  /** Looks every half minute; several processes may. @returns a function that stops it. */
  start(): () => void {
    return every(EVERY_MS, this.look);
  }

  async #look(): Promise<void> {
    const { queue, region, shards, clock } = this.#o;
    const now = clock.monotonic();
    const found = new Map<string, number>();
    const due: QueueAddress[] = [];
    for (let shard = 0; shard < shards; shard++)
      for (const address of await queue.undelivered(region, shard)) {
        const subject = subjectOf(address);
        const since = this.#found.get(subject) ?? now;
        found.set(subject, since);
        if (now - since >= UNCHANGED_MS) due.push(address);
      }
    this.#found = found;
    for (const address of due) await this.#queueAnew(address);
  }

  async #queueAnew(address: QueueAddress): Promise<void> {
    const { queue, requeue, watch, log } = this.#o;
    const data = await queue.read(address);
    const work = data === null ? null : readEnvelope(data);
    if (work === null || !work.meta.stored) return;
    const outcome = await requeue.anew(address, work);
    if (outcome === 'left') return;
    this.#found.delete(subjectOf(address));
    watch.removed('undelivered_message');
    log.warn({ id: work.meta.id, outcome }, 'the broker delivered a message to nobody');
  }
}
