/**
 * One live pull on one JetStream consumer, at the level the worker quotes.
 *
 * States: **idle** (no bid, or the last pull was used up), **live** (the broker holds our pull), **backing off** (the
 * broker refused; a timer posts again), **stopped**.
 *
 * - `bid` while idle posts a pull. `bid` while live does nothing unless the level changed or the batch shrank below what was
 *   offered: then the pull is *revoked* and a new one posted. At once where it offered too much, or after `lagMs` where the offer
 *   allows that. Where it offered too little it still serves, and is replaced after {@link BETTER_MS} at least, unless the level
 *   has risen again by then: a series of short requests would otherwise cost two revocations each.
 * - A pull cannot be cancelled. To revoke is to `drain()` its own inbox and to `-NAK` what still arrives there; a bare
 *   UNSUB would leave messages that are already on the wire undelivered until their lease runs out.
 * - 408 (expired) → idle, and posted again. 409 (leadership change, consumer recreated) and 503 (nobody answers) →
 *   backing off; after about a second without anybody answering, the consumer is presumed deleted. Nothing at all past
 *   `expires` + 1 s → the pull is presumed lost.
 * - After a reconnect the broker knows none of our pulls, nor does a consumer's new leader: all are posted again.
 *
 * Why not the client's own consume(): it asks for more on receipt, not when there is room, so it prefetches; and next() drops
 * the priority.
 */
import { readAckSubject, readSubject } from '@penstock/protocol';
import type { Delivery, Offer, Puller } from '../ports/queue/work-consumer.ts';

/** What the puller needs of a connection. */
export interface PullWire {
  publish(subject: string, payload: Uint8Array, reply?: string): void;
  subscribe(onMessage: (message: PulledMessage) => void): { inbox: string; drain(): Promise<void> };
}

export interface PulledMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply: string;
  /** Status code of a control message; 0 for work. */
  readonly status: number;
}

export interface PullerOptions {
  readonly stream: string;
  readonly consumer: string;
  readonly group: string;
  readonly onDelivery: (delivery: Delivery) => void;
  /** A message came after its pull was taken back. */
  readonly onSurplus: () => void;
  /** Nobody has answered for a second: the broker has deleted the consumer, or is electing its leader. */
  readonly onNobody: () => void;
  readonly onStopped: () => void;
  /** Lease of a pull, ms. */
  readonly expiresMs?: number;
}

interface Inbox {
  readonly inbox: string;
  drain(): Promise<void>;
  revoked: boolean;
}

interface Live {
  readonly level: number;
  remaining: number;
}

const DEFAULT_EXPIRES_MS = 15_000;
const WATCHDOG_SLACK_MS = 1000;
const BACKOFF_MS = 100;
/** A thousand workers post their pulls again at once. */
const ELECTED_MS = 50;
const NO_RESPONDERS = 503;
/** This many refusals in a row, {@link BACKOFF_MS} apart, take about a second. */
const NOBODY_AFTER = 10;
/** Far less than a first token takes. */
const BETTER_MS = 5;
const NAK = Buffer.from('-NAK');

export class NatsPuller implements Puller {
  readonly #wire: PullWire;
  readonly #options: PullerOptions;
  readonly #expiresMs: number;
  readonly #api: string;
  #inbox: Inbox | null = null;
  #live: Live | null = null;
  #offer: Offer | null = null;
  #timer: NodeJS.Timeout | null = null;
  #replacement: NodeJS.Timeout | null = null;
  #stopped = false;
  /** Pulls in a row that nobody answered. */
  #unanswered = 0;

  constructor(wire: PullWire, options: PullerOptions) {
    this.#wire = wire;
    this.#options = options;
    this.#expiresMs = options.expiresMs ?? DEFAULT_EXPIRES_MS;
    this.#api = `$JS.API.CONSUMER.MSG.NEXT.${options.stream}.${options.consumer}`;
  }

  isOn(stream: string, consumer: string): boolean {
    return this.#options.stream === stream && this.#options.consumer === consumer;
  }

  bid(offer: Offer | null): void {
    if (this.#stopped) return;
    this.#offer = offer;
    if (this.#live !== null) {
      if (offer !== null && this.#mayStay(this.#live, offer)) return;
      this.#revoke();
    } else if (this.#timer !== null) {
      return; // backing off: the timer will use the newest offer
    }
    if (offer !== null) this.#post();
  }

  /** Sees to it that a pull which may stay for now is replaced in time. */
  #mayStay(live: Live, offer: Offer): boolean {
    if (isAsOffered(live, offer)) return true;
    const { lagMs = 0 } = offer;
    const isBetter = offer.level <= live.level && live.remaining <= offer.batch;
    if (lagMs === 0 && !isBetter) return false;
    this.#replacement ??= setTimeout(() => this.#replace(), isBetter ? Math.max(BETTER_MS, lagMs) : lagMs);
    return true;
  }

  /** The live pull has been something else than the offer for a while. */
  #replace(): void {
    this.#replacement = null;
    if (this.#live === null || this.#offer === null || isAsOffered(this.#live, this.#offer)) return;
    this.#revoke();
    this.#post();
  }

  /** The connection is new: pulls and subscriptions of the old one are gone. */
  reconnected(): void {
    if (this.#stopped) return;
    this.#live = null;
    this.#setTimer(Math.random() * BACKOFF_MS, () => this.#post());
  }

  /** Its consumer has another leader, which knows no pull of the one before. That may have died without a word. */
  elected(): void {
    if (this.#stopped) return;
    this.#revoke();
    this.#setTimer(Math.random() * ELECTED_MS, () => this.#post());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#offer = null;
    this.#setTimer(0, null);
    if (this.#replacement !== null) clearTimeout(this.#replacement);
    const inbox = this.#inbox;
    this.#live = null;
    this.#inbox = null;
    if (inbox !== null) {
      inbox.revoked = true;
      await inbox.drain().catch(() => {});
    }
    this.#options.onStopped();
  }

  #post(): void {
    this.#setTimer(0, null);
    const offer = this.#offer;
    if (offer === null || this.#stopped) return;
    this.#inbox ??= this.#openInbox();
    this.#live = { level: offer.level, remaining: offer.batch };
    const pull = {
      batch: offer.batch,
      expires: this.#expiresMs * 1e6,
      group: this.#options.group,
      priority: offer.level,
    };
    this.#wire.publish(this.#api, Buffer.from(JSON.stringify(pull)), this.#inbox.inbox);
    this.#setTimer(this.#expiresMs + WATCHDOG_SLACK_MS, () => this.#lost());
  }

  #openInbox(): Inbox {
    const handle: Inbox = { inbox: '', drain: () => Promise.resolve(), revoked: false };
    const sub = this.#wire.subscribe(message => this.#receive(handle, message));
    return Object.assign(handle, sub);
  }

  #receive(inbox: Inbox, message: PulledMessage): void {
    if (message.status !== 0) {
      if (!inbox.revoked && inbox === this.#inbox) this.#ended(message.status);
      return;
    }
    const ack = readAckSubject(message.reply);
    // No delivery of this consumer, so no broker sent it: nothing is published where it says.
    if (ack === null || !this.isOn(ack.stream, ack.consumer)) return;
    const address = readSubject(message.subject);
    // What a newer version queued is for its workers.
    if (inbox.revoked || address === null) {
      this.#wire.publish(message.reply, NAK);
      this.#options.onSurplus();
      return;
    }
    const live = this.#live;
    if (live !== null && --live.remaining <= 0) {
      this.#live = null;
      this.#setTimer(0, null);
    }
    this.#options.onDelivery({
      address,
      data: message.data,
      ackSubject: message.reply,
      deliveryCount: ack.deliveryCount,
    });
  }

  #ended(status: number): void {
    if (status === 100) return; // idle heartbeat
    this.#live = null;
    this.#unanswered = status === NO_RESPONDERS ? this.#unanswered + 1 : 0;
    if (this.#unanswered > 0 && this.#unanswered % NOBODY_AFTER === 0) this.#options.onNobody();
    if (status === 408 || status === 404) this.#post();
    else this.#setTimer(BACKOFF_MS * (0.5 + Math.random()), () => this.#post());
  }

  /** Neither work nor an expiry came: the pull is gone (broker restarted, leader moved). */
  #lost(): void {
    this.#revoke();
    this.#post();
  }

  #revoke(): void {
    const inbox = this.#inbox;
    this.#live = null;
    this.#inbox = null;
    this.#setTimer(0, null);
    if (inbox === null) return;
    inbox.revoked = true;
    void inbox.drain().catch(() => {});
  }

  #setTimer(afterMs: number, then: (() => void) | null): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (then === null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      then();
    }, afterMs);
  }
}

/** A pull that has been served in part still promises no more than an offer of a larger batch. */
function isAsOffered(live: Live, offer: Offer): boolean {
  return live.level === offer.level && live.remaining <= offer.batch;
}
