import type { FailedMeta, QueueAddress, WorkEnvelope, WorkMeta } from '@penstock/protocol';

export interface PublishOptions {
  /** The broker drops a repeated publish with the same id. */
  readonly messageId: string;
  /** Lifetime in the queue, ms; rounded up to whole seconds. */
  readonly ttlMs: number;
  /** How long to wait at most for a broker that is away for a moment, ms; its lifetime in the queue where absent, and never more than 15 s. */
  readonly holdMs?: number;
}

/** Why a request was given up: code and message of its last failure. */
export type DeadReason = Pick<FailedMeta, 'code' | 'message'>;

/** What is done with work that is kept for an operator. */
export interface DeadKeeping {
  /** Sealed, where it was not while its client waited. */
  sealedKept(work: WorkEnvelope): Promise<WorkEnvelope>;
  /** Its body in the store is not kept. */
  discard(meta: WorkMeta): Promise<void>;
}

/** Which dead letters: that of a request, or those of all that is part of something. */
export type DeadOf = { readonly id: string } | { readonly partOf: string };

/** Puts work on the queue and takes it off again. One message is queued at an address. */
export interface WorkPublisher {
  /**
   * Resolves once the broker has stored the message. While it is away for a moment, as when its cluster elects another leader, the message is
   * held and published again. Once nothing has been stored for 15 s, or the broker says that it cannot, it is refused at once.
   * @throws DispatchError `queue_full` or `broker_unavailable`.
   */
  publish(address: QueueAddress, payload: Uint8Array, options: PublishOptions): Promise<void>;
  /** Why nothing can be queued, in words for an operator; null where it can. */
  readonly unavailable: string | null;
  /** The message stored at the address, or null. */
  read(address: QueueAddress): Promise<Uint8Array | null>;
  /** Deletes what is queued or being delivered at the address. Does not wait for the broker. */
  purge(address: QueueAddress): void;
  /** Deletes everything in a shard that is bound to a worker. Does not wait for the broker. */
  purgeBound(region: string, shard: number, worker: string): void;
  /**
   * As {@link purge}, but resolves when it is done. Needed before a publish at the same address: the broker may otherwise
   * store the new message first and purge it too.
   */
  clear(address: QueueAddress): Promise<void>;
  /**
   * Copies the message at the address to the dead-letter stream, with the failure in its headers. The original stays until it
   * is settled. Does nothing when the original is gone. Without its body where its client asked that nothing be kept, and without what the
   * failure says where it is sealed.
   * @throws DispatchError `broker_unavailable` when the broker does not confirm the copy within some seconds.
   */
  moveToDead(address: QueueAddress, failure: DeadReason, keeping?: DeadKeeping): Promise<void>;
  /** Deletes dead letters. @throws DispatchError `broker_unavailable`. */
  dropDead(region: string, of: DeadOf): Promise<void>;
}
