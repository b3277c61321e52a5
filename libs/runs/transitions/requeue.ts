/** Puts the message of a run where a worker gets it, when nobody takes it there where it is. */
import {
  encodeEnvelope,
  isFinalStatus,
  type QueueAddress,
  type StoredRun,
  type WorkEnvelope,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { RunStore, WorkPublisher } from '@penstock/transport';

/** Attempts at queueing again work that was taken out, and the pause between them, ms. */
const TRIES = 60;
const PAUSE_MS = 500;

export interface RunRequeueOptions {
  readonly store: Pick<RunStore, 'move' | 'read'>;
  readonly queue: Pick<WorkPublisher, 'clear' | 'publish'>;
  readonly clock: Clock;
}

export class RunRequeue {
  readonly #o: RunRequeueOptions;

  constructor(options: RunRequeueOptions) {
    this.#o = options;
  }

  /**
   * Replaces the message by one that has not been delivered yet. The broker takes one message an address, so for a moment there is none:
   * should this process end then, the run is a queued record without a message.
   * @param work the message.
   * @returns `left` for a run that a worker has. @throws DispatchError where the queue does not take it for half a minute.
   */
  async anew(address: QueueAddress, work: WorkEnvelope): Promise<'queued' | 'removed' | 'left'> {
    const { store, queue } = this.#o;
    const run = await store.read(work.meta.id);
    if (run?.status === 'in_progress') return 'left';
    await queue.clear(address);
    // A record that was lost is made anew by whoever gets the message.
    if (run === null ? work.meta.run === undefined : isFinalStatus(run.status)) return 'removed';
    for (let tries = 1; ; tries++) {
      try {
        await this.#publish(address, work, run);
        return 'queued';
      } catch (err) {
        if (tries >= TRIES) throw err;
        await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  /**
   * Queues the run in another shard, for whoever was delivered its message: afterwards that is to be acked. May be repeated, by several
   * processes too: what is queued twice begins once.
   * @param to its address there. @throws DispatchError where the queue does not take it, or what the store throws.
   */
  async toShard(to: QueueAddress, { meta, body }: WorkEnvelope, deliveryCount: number): Promise<void> {
    const { store, queue, clock } = this.#o;
    const attemptBase = meta.attemptBase + deliveryCount;
    await queue.publish(to, encodeEnvelope({ ...meta, attemptBase, held: {} }, body), {
      messageId: `${meta.id}-${attemptBase}`,
      ttlMs: Math.max(1, meta.deadlineAt - clock.now()),
    });
    await store.move(meta.id, to);
  }

  /** Attempt numbers go on from the record's: what is left of an earlier attempt stays fenced. */
  #publish(address: QueueAddress, { meta, body }: WorkEnvelope, run: StoredRun | null): Promise<void> {
    const now = this.#o.clock.now();
    const attemptBase = Math.max(meta.attemptBase, run?.attempt ?? 0);
    return this.#o.queue.publish(address, encodeEnvelope({ ...meta, attemptBase }, body), {
      // Not that of the message it replaces, which the broker remembers for a while.
      messageId: `${meta.id}-${attemptBase}-${now}`,
      holdMs: PAUSE_MS,
      ttlMs: Math.max(1, meta.deadlineAt - now),
    });
  }
}
