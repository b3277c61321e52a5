import type { QueueAddress, WorkQueueKey } from '@penstock/protocol';

/** How a delivery is closed. `progress` does not close it: it restarts its lease. */
export type Settlement = 'ack' | 'nak' | 'term' | 'progress';

export interface Delivery {
  readonly address: QueueAddress;
  readonly data: Uint8Array;
  /** Opaque; passed to {@link WorkConsumer.settle} to settle the delivery. */
  readonly ackSubject: string;
  /** 1 for the first delivery. Used as the attempt number that fences replies. */
  readonly deliveryCount: number;
}

/** What a worker would take now. */
export interface Offer {
  /** Priority of the pull, 0 to 9. The broker serves the lowest first. */
  readonly level: number;
  /** Most messages to be delivered. */
  readonly batch: number;
  /**
   * For how long the broker may still hold another offer, ms; 0 unless said. Each replacement costs the broker three commands. A
   * withdrawal is never put off.
   */
  readonly lagMs?: number;
}

/** One live pull on one consumer. */
export interface Puller {
  /** Replaces the current offer; `null` withdraws it. Cheap when nothing has changed. */
  bid(offer: Offer | null): void;
  /** Withdraws the offer for good. Resolves when no delivery can arrive any more. */
  stop(): Promise<void>;
}

/**
 * Takes work off the queue. Promises: a message goes to one puller at a time, to the lowest level first; a message that is
 * not settled within its lease is delivered again. Does *not* promise exactly-once delivery, nor that the attempt that
 * settles a message is the current one: the broker accepts a settlement from anybody, so only the process that knows which
 * attempt is current may settle.
 */
export interface WorkConsumer {
  /** @param onSurplus called for a message that arrived after its pull was withdrawn and was handed back. */
  pull(key: WorkQueueKey, onDelivery: (delivery: Delivery) => void, onSurplus?: () => void): Puller;
  /** Pulls work bound to this worker, of all models, lanes and sizes. */
  pullBound(
    region: string,
    shard: number,
    worker: string,
    onDelivery: (delivery: Delivery) => void,
    onSurplus?: () => void,
  ): Puller;
  /**
   * Whether settling this would settle a delivery of the queue in which the request is. Ask of whatever another process says: who publishes
   * where it is told lends out its rights.
   */
  isAckOf(address: QueueAddress, ackSubject: string): boolean;
  /** @param delayMs for `nak`: how long the message waits before it is delivered again. */
  settle(ackSubject: string, how: Settlement, delayMs?: number): void;
}
