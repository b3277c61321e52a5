import type { QueueAddress, WorkQueueKey } from '@penstock/protocol';

export interface StreamLimits {
  readonly maxMessages: number;
  readonly maxBytes: number;
}

export interface ConsumerOptions {
  /** Lease of a delivery, ms. A delivery that is not settled within it is made again. */
  readonly ackWaitMs: number;
}

/** What has waited in one queue, and what has left it. */
export interface QueueState {
  /** Messages waiting for their first delivery. */
  readonly pending: number;
  /** Deliveries ever made, repeated ones included. */
  readonly delivered: number;
}

/** Streams and consumers: what has to exist before work can be published and pulled. All `ensure…` may be repeated. */
export interface QueueAdmin {
  ensureWorkStream(region: string, shard: number, limits: StreamLimits): Promise<void>;
  ensureDeadStream(region: string): Promise<void>;
  /** The consumer that all workers of one queue share. */
  ensureConsumer(key: WorkQueueKey, options: ConsumerOptions): Promise<void>;
  /**
   * Makes the consumers of queues that have none, in their order, as long as the stream has fewer than `most`. Those that are there are left as they are.
   * @returns how many were made.
   * @throws where the broker cannot say.
   */
  restoreConsumers(
    region: string,
    shard: number,
    keys: readonly WorkQueueKey[],
    options: ConsumerOptions & { readonly most: number },
  ): Promise<number>;
  /** The worker's own consumer, for work bound to it. The broker deletes it after a long time without a pull. */
  ensureBoundConsumer(region: string, shard: number, worker: string, options: ConsumerOptions): Promise<void>;
  /**
   * Whether a message of the request waits or is being delivered in any shard of the region, or is a dead letter.
   * @throws where the broker cannot say.
   */
  holds(region: string, shards: number, id: string): Promise<boolean>;
  /**
   * Queues of the region that any worker may take from and in which messages wait or are being delivered, in each shard that the broker
   * has and that is asked for, also in those that the region no longer uses.
   * @throws where the broker cannot say.
   */
  queuesWithWork(region: string, isAsked: (shard: number) => boolean): Promise<readonly WorkQueueKey[]>;
  /**
   * Messages of a shard that the broker seems to deliver to nobody any more, and some that workers have: only what is among them for a minute
   * is lost.
   * @throws where the broker cannot say.
   */
  undelivered(region: string, shard: number): Promise<readonly QueueAddress[]>;
  /** What a stream holds, of messages and their bytes; null while it cannot be known. */
  fill(region: string, shard: number): Promise<{ readonly messages: number; readonly bytes: number } | null>;
  /** Null while it cannot be known: no such consumer, or no connection. */
  queueState(key: WorkQueueKey): Promise<QueueState | null>;
  /** When the first message that waits for its first delivery was stored, Unix ms; null where none waits, or it cannot be known. */
  oldestPendingAt(key: WorkQueueKey): Promise<number | null>;
}
