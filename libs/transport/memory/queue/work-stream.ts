/** One stream of the in-memory queue: its messages, the consumers on it, and which pull gets what. */
import { DispatchError, type QueueAddress, subjectOf } from '@penstock/protocol';
import type { StreamLimits } from '../../ports/queue/queue-admin.ts';
import type { Delivery, Offer } from '../../ports/queue/work-consumer.ts';
import type { PublishOptions } from '../../ports/queue/work-publisher.ts';
import { matchesFilter } from './subjects.ts';

/** As on the broker: a message id is remembered for this long. */
const DUPLICATE_WINDOW_MS = 30_000;

export interface MemoryMessage {
  readonly address: QueueAddress;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly expiresAt: number;
  /** Deliveries so far. */
  deliveries: number;
  /** End of the lease while it is delivered, Unix ms; else null. */
  leaseUntil: number | null;
  /** A message that was handed back with a delay waits until then, Unix ms. */
  availableAt: number;
}

export interface MemoryConsumer {
  readonly filter: string;
  readonly ackWaitMs: number;
  delivered: number;
}

/** A live pull. */
export interface MemoryPull {
  readonly consumer: string;
  offer: Offer | null;
  remaining: number;
  readonly onDelivery: (delivery: Delivery) => void;
}

export class MemoryWorkStream {
  limits: StreamLimits;
  readonly messages = new Map<string, MemoryMessage>();
  readonly consumers = new Map<string, MemoryConsumer>();
  /** In the order in which their offers were made or last served. */
  #pulls: MemoryPull[] = [];
  readonly #published = new Map<string, number>();

  constructor(limits: StreamLimits) {
    this.limits = limits;
  }

  /** @throws DispatchError `queue_full` */
  publish(address: QueueAddress, data: Uint8Array, options: PublishOptions, now: number): void {
    const repeatedUntil = this.#published.get(options.messageId);
    if (repeatedUntil !== undefined && repeatedUntil > now) return;
    const subject = subjectOf(address);
    if (this.messages.has(subject)) return;
    const bytes = [...this.messages.values()].reduce(
      (sum, message) => sum + message.data.length,
      data.length,
    );
    if (this.messages.size >= this.limits.maxMessages || bytes > this.limits.maxBytes)
      throw new DispatchError('queue_full');
    this.#published.set(options.messageId, now + DUPLICATE_WINDOW_MS);
    const ttlMs = Math.max(1, Math.ceil(options.ttlMs / 1000)) * 1000;
    this.messages.set(subject, {
      ...{ address, subject, data, expiresAt: now + ttlMs },
      ...{ deliveries: 0, leaseUntil: null, availableAt: now },
    });
  }

  purge(filter: string): void {
    for (const subject of [...this.messages.keys()])
      if (matchesFilter(subject, filter)) this.messages.delete(subject);
  }

  /** Makes, changes or withdraws the offer of a pull. */
  offer(pull: MemoryPull, offer: Offer | null): void {
    const isChanged = pull.offer?.level !== offer?.level || !this.#pulls.includes(pull);
    pull.offer = offer;
    pull.remaining = offer?.batch ?? 0;
    if (!isChanged) return;
    this.#pulls = this.#pulls.filter(each => each !== pull);
    if (offer !== null) this.#pulls.push(pull);
  }

  /** Expires messages and leases. */
  elapse(now: number): void {
    for (const message of [...this.messages.values()]) {
      if (message.expiresAt <= now) this.messages.delete(message.subject);
      if (message.leaseUntil !== null && message.leaseUntil <= now) message.leaseUntil = null;
    }
  }

  /** The next delivery to be made, if any: oldest message first, to the lowest level. */
  next(now: number): { pull: MemoryPull; message: MemoryMessage } | null {
    for (const message of this.messages.values()) {
      if (message.leaseUntil !== null || message.availableAt > now) continue;
      const pull = this.#bestPull(message.subject);
      if (pull === null) continue;
      const consumer = this.consumers.get(pull.consumer);
      if (consumer === undefined) continue;
      consumer.delivered++;
      message.deliveries++;
      message.leaseUntil = now + consumer.ackWaitMs;
      this.#pulls = this.#pulls.filter(each => each !== pull);
      if (--pull.remaining > 0) this.#pulls.push(pull);
      else pull.offer = null;
      return { pull, message };
    }
    return null;
  }

  #bestPull(subject: string): MemoryPull | null {
    let best: MemoryPull | null = null;
    for (const pull of this.#pulls) {
      const consumer = this.consumers.get(pull.consumer);
      if (consumer === undefined || pull.offer === null || !matchesFilter(subject, consumer.filter)) continue;
      if (best?.offer == null || pull.offer.level < best.offer.level) best = pull;
    }
    return best;
  }
}
