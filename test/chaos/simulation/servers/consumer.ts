/**
 * A consumer of a JetStream stream: what it has delivered and not seen the end of, and its ack floor. All deliveries up to the floor count as
 * ended. A purge of a subject that is not all that the consumer delivers lifts the floor's delivery count above others that are not ended, as the
 * real server's does: from then on what ends next may lift the floor itself past them, and they are never delivered again.
 */

export interface ConsumerConfig {
  readonly durable_name: string;
  readonly filter_subject: string;
  /** ns. */
  readonly ack_wait: number;
  readonly max_deliver: number;
}

export interface Pull {
  readonly inbox: string;
  readonly priority: number;
  left: number;
}

export interface Pending {
  /** The consumer's count of deliveries at the first of this message. */
  readonly first: number;
  deadline: number;
}

export class Consumer {
  config: ConsumerConfig;
  /** Of the first message that was never delivered. */
  nextSeq = 1;
  readonly pending = new Map<number, Pending>();
  readonly counts = new Map<number, number>();
  again: number[] = [];
  pulls: Pull[] = [];
  delivered = 0;
  /** As the stream counts, and as the consumer counts deliveries. */
  #floor = { seq: 0, delivery: 0 };

  constructor(config: ConsumerConfig) {
    this.config = config;
  }

  /** Whether it takes the message for ended whose lease is over. Then it never delivers it again. */
  isBehind(seq: number): boolean {
    return seq <= this.#floor.seq;
  }

  /** Whether a NAK of a delivery counts. */
  takesNak(seq: number, delivery: number): boolean {
    return this.pending.has(seq) && delivery > this.#floor.delivery;
  }

  /** The message was acked, or deleted. @returns what was known of it. */
  end(seq: number): Pending | undefined {
    const pending = this.pending.get(seq);
    this.pending.delete(seq);
    this.again = this.again.filter(each => each !== seq);
    if (this.pending.size === 0) this.#floor = { seq: this.nextSeq - 1, delivery: this.delivered };
    else if (pending?.first === this.#floor.delivery + 1) {
      const next = Math.min(...[...this.pending.keys()].filter(each => each > seq));
      const first = this.pending.get(next)?.first;
      this.#floor =
        first === undefined ? { seq, delivery: pending.first } : { seq: next - 1, delivery: first - 1 };
    }
    return pending;
  }

  /** @param firstSeq the stream's. @returns what waited for redelivery and now waits for its lease to end once more. */
  purged(firstSeq: number, isThere: (seq: number) => boolean): number[] {
    if (this.#floor.seq < firstSeq) {
      this.#floor.seq = firstSeq - 1;
      for (const [seq, { first }] of this.pending)
        if (seq < firstSeq || !isThere(seq)) {
          this.#floor.delivery = Math.max(this.#floor.delivery, first);
          this.pending.delete(seq);
        }
    }
    const dropped = this.again.filter(seq => this.pending.has(seq));
    this.again = [];
    return dropped;
  }

  /** Its file has the floor as it should be. */
  crash(): void {
    this.pulls = [];
    this.again = [];
    const lowest = Math.min(this.nextSeq, ...this.pending.keys());
    this.#floor = { seq: lowest - 1, delivery: (this.pending.get(lowest)?.first ?? this.delivered + 1) - 1 };
  }
}
