export interface PublishOptions {
  /** The broker drops a repeated publish with the same id. */
  readonly messageId: string;
  /** Lifetime in the queue, ms; rounded up to whole seconds. */
  readonly ttlMs: number;
}

/** Puts work on the queue and takes it off again. Each request has a subject of its own. */
export interface WorkPublisher {
  /**
   * Resolves once the broker has stored the message.
   * @throws DispatchError `queue_full` or `broker_unavailable`.
   */
  publish(subject: string, payload: Uint8Array, options: PublishOptions): Promise<void>;
  /** The message stored under an exact subject, or null. */
  read(stream: string, subject: string): Promise<Uint8Array | null>;
  /** Deletes what is queued or being delivered under the subject, which may hold wildcards. Does not wait for the broker. */
  purge(stream: string, subject: string): void;
  /**
   * As {@link purge}, but resolves when it is done. Needed before a publish under the same subject: the broker may
   * otherwise store the new message first and purge it too.
   */
  clear(stream: string, subject: string): Promise<void>;
  /**
   * Copies the message under `subject` to the dead-letter stream, with the reason as a header. The original stays until
   * it is settled. Does nothing when the original is gone.
   * @throws DispatchError `broker_unavailable` when the broker does not confirm the copy within some seconds.
   */
  moveToDead(stream: string, subject: string, deadSubject: string, reason: string): Promise<void>;
}
