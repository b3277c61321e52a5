/**
 * A nats-server's JetStream, as far as the product uses it, and as it fails: deliveries, counts and acks are on its disk some time after
 * they were made, so a server that is killed forgets the latest, and what it forgot it does again as if for the first time.
 */
import { matchesFilter } from '@penstock/transport/memory';
import type { Proc, VirtualTime } from '../world/virtual-time.ts';
import { Consumer, type ConsumerConfig, type Pull } from './consumer.ts';

/** Of what was done longer ago nothing is forgotten, ms. */
const MOST_FORGOTTEN_MS = 2000;

export interface Stored {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly storedAt: number;
  readonly expiresAt: number;
}

/** What a server needs of the network: whether somebody hears an inbox, and how it is told. */
export interface Inboxes {
  isHeard(inbox: string): boolean;
  deliver(inbox: string, subject: string, data: Uint8Array, reply: string, code: number): void;
}

/** What may be forgotten: how it is undone, and when it was done. */
class Journal {
  readonly #time: VirtualTime;
  #entries: { readonly at: number; readonly undo: () => void }[] = [];

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  note(undo: () => void): void {
    this.#entries.push({ at: this.#time.now, undo });
    if (this.#entries.length < 512) return;
    this.#entries = this.#entries.filter(({ at }) => at > this.#time.now - MOST_FORGOTTEN_MS);
  }

  /** @param ms how far back. */
  forget(ms: number): void {
    const from = this.#time.now - ms;
    for (let last = this.#entries.pop(); last !== undefined && last.at > from; last = this.#entries.pop())
      last.undo();
    this.#entries = [];
  }
}

export class Stream {
  readonly name: string;
  config: Record<string, unknown>;
  readonly messages = new Map<number, Stored>();
  readonly bySubject = new Map<string, number>();
  readonly consumers = new Map<string, Consumer>();
  lastSeq = 0;
  readonly #ids = new Map<string, number>();
  readonly #time: VirtualTime;
  /** The server's process, as it runs now. */
  readonly #proc: () => Proc;
  readonly #inboxes: Inboxes;
  readonly #deliveries: Journal;
  readonly #removals: Journal;

  constructor(
    config: Record<string, unknown> & { name: string },
    time: VirtualTime,
    proc: () => Proc,
    inboxes: Inboxes,
  ) {
    this.name = config.name;
    this.config = config;
    this.#time = time;
    this.#proc = proc;
    this.#inboxes = inboxes;
    this.#deliveries = new Journal(time);
    this.#removals = new Journal(time);
  }

  /** @returns the PubAck. */
  store(subject: string, data: Uint8Array, id: string | null, ttlMs: number | null): object {
    const { now } = this.#time;
    const known = id === null ? undefined : this.#ids.get(id);
    if (known !== undefined && known > now) return { stream: this.name, seq: this.lastSeq, duplicate: true };
    if (this.config['discard_new_per_subject'] === true && this.bySubject.has(subject))
      return { error: { code: 503, err_code: 10077, description: 'maximum messages per subject exceeded' } };
    const seq = ++this.lastSeq;
    if (id !== null) this.#ids.set(id, now + 30_000);
    const expiresAt = ttlMs === null ? Number.POSITIVE_INFINITY : now + ttlMs;
    this.messages.set(seq, { seq, subject, data, storedAt: now, expiresAt });
    this.bySubject.set(subject, seq);
    if (ttlMs !== null) this.#time.after(this.#proc(), ttlMs, () => this.#drop(seq));
    for (const consumer of this.consumers.values()) this.dispatch(consumer);
    return { stream: this.name, seq };
  }

  read(subject: string): Stored | null {
    const seq = this.bySubject.get(subject);
    return seq === undefined ? null : (this.messages.get(seq) ?? null);
  }

  /** All of a subject, or of what one consumer delivers. */
  purge(filter: string): void {
    for (const { seq, subject } of [...this.messages.values()])
      if (matchesFilter(subject, filter)) this.#drop(seq);
    const firstSeq = Math.min(this.lastSeq + 1, ...this.messages.keys());
    for (const consumer of this.consumers.values()) {
      const { filter_subject: all, ack_wait } = consumer.config;
      if (all === filter) for (const seq of [...consumer.pending.keys()]) consumer.end(seq);
      else if (matchesFilter(filter, all))
        for (const seq of consumer.purged(firstSeq, each => this.messages.has(each)))
          this.#lease(consumer, seq, this.#time.now + ack_wait / 1e6);
    }
  }

  delete(seq: number): boolean {
    for (const consumer of this.consumers.values()) consumer.end(seq);
    return this.#drop(seq) !== undefined;
  }

  #drop(seq: number): Stored | undefined {
    const message = this.messages.get(seq);
    if (message === undefined) return undefined;
    this.messages.delete(seq);
    if (this.bySubject.get(message.subject) === seq) this.bySubject.delete(message.subject);
    return message;
  }

  ensureConsumer(config: ConsumerConfig): Consumer {
    const known = this.consumers.get(config.durable_name);
    if (known !== undefined) known.config = config;
    const consumer = known ?? new Consumer(config);
    this.consumers.set(config.durable_name, consumer);
    this.dispatch(consumer);
    return consumer;
  }

  pull(
    consumer: Consumer,
    inbox: string,
    { batch, expires, priority }: { batch: number; expires: number; priority: number },
  ): void {
    const pull: Pull = { inbox, priority, left: batch };
    consumer.pulls.push(pull);
    this.#time.after(this.#proc(), expires / 1e6, () => {
      if (!consumer.pulls.includes(pull)) return;
      consumer.pulls.splice(consumer.pulls.indexOf(pull), 1);
      this.#inboxes.deliver(inbox, inbox, new Uint8Array(), '', 408);
    });
    this.dispatch(consumer);
  }

  dispatch(consumer: Consumer): void {
    if (!this.#proc().isAlive) return;
    for (;;) {
      const pull = this.#bestPull(consumer);
      if (pull === null) return;
      const message = this.#next(consumer);
      if (message === null) return;
      if (--pull.left <= 0) consumer.pulls.splice(consumer.pulls.indexOf(pull), 1);
      this.#deliver(consumer, message, pull.inbox);
    }
  }

  #bestPull(consumer: Consumer): Pull | null {
    if (consumer.pulls.length === 0 || !this.#hasNext(consumer)) return null;
    consumer.pulls = consumer.pulls.filter(({ inbox }) => this.#inboxes.isHeard(inbox));
    let best: Pull | null = null;
    for (const pull of consumer.pulls) if (best === null || pull.priority < best.priority) best = pull;
    return best;
  }

  #hasNext(consumer: Consumer): boolean {
    return consumer.again.length > 0 || consumer.nextSeq <= this.lastSeq;
  }

  #next(consumer: Consumer): Stored | null {
    for (let seq = consumer.again.shift(); seq !== undefined; seq = consumer.again.shift()) {
      const message = this.messages.get(seq);
      if (message === undefined) {
        consumer.pending.delete(seq);
        continue;
      }
      const most = consumer.config.max_deliver;
      if (most <= 0 || (consumer.counts.get(seq) ?? 0) < most) return message;
      // It stays, and nobody sees it any more.
      consumer.pending.delete(seq);
    }
    while (consumer.nextSeq <= this.lastSeq) {
      const message = this.messages.get(consumer.nextSeq++);
      if (message !== undefined && matchesFilter(message.subject, consumer.config.filter_subject))
        return message;
    }
    return null;
  }

  #deliver(consumer: Consumer, message: Stored, inbox: string): void {
    const { seq, subject, data } = message;
    const before = consumer.counts.get(seq);
    const wasPending = consumer.pending.get(seq);
    const count = (before ?? 0) + 1;
    const delivery = ++consumer.delivered;
    consumer.counts.set(seq, count);
    const deadline = this.#time.now + consumer.config.ack_wait / 1e6;
    consumer.pending.set(seq, { first: wasPending?.first ?? delivery, deadline });
    this.#watch(consumer, seq, deadline);
    const ack = `$JS.ACK.${this.name}.${consumer.config.durable_name}.${count}.${seq}.${delivery}.0.0`;
    this.#deliveries.note(() => {
      if (before === undefined) {
        consumer.counts.delete(seq);
        consumer.pending.delete(seq);
        consumer.nextSeq = Math.min(consumer.nextSeq, seq);
      } else {
        consumer.counts.set(seq, before);
        if (wasPending !== undefined) consumer.pending.set(seq, wasPending);
      }
    });
    this.#inboxes.deliver(inbox, subject, data, ack, 0);
  }

  /** When the lease of a delivery is over, it is made again. */
  #watch(consumer: Consumer, seq: number, deadline: number): void {
    this.#time.at(this.#proc(), deadline, () => {
      const pending = consumer.pending.get(seq);
      if (pending === undefined || pending.deadline !== deadline || consumer.again.includes(seq)) return;
      if (consumer.isBehind(seq)) return void consumer.pending.delete(seq);
      consumer.again.push(seq);
      this.dispatch(consumer);
    });
  }

  #lease(consumer: Consumer, seq: number, until: number): void {
    const pending = consumer.pending.get(seq);
    if (pending === undefined) return;
    pending.deadline = until;
    this.#watch(consumer, seq, until);
  }

  /** @param settlement as it came: `+ACK`, `-NAK {"delay":…}`, `+WPI` or `+TERM`. */
  settle(consumerName: string, seq: number, delivery: number, settlement: string): void {
    const consumer = this.consumers.get(consumerName);
    // Of what it does not know to have delivered it takes no settlement.
    if (consumer === undefined || seq >= consumer.nextSeq) return;
    if (settlement.startsWith('+ACK') || settlement.startsWith('+TERM')) return this.#close(consumer, seq);
    const { now } = this.#time;
    if (settlement.startsWith('+WPI'))
      return this.#lease(consumer, seq, now + consumer.config.ack_wait / 1e6);
    if (!consumer.takesNak(seq, delivery)) return;
    const delayNs = settlement.startsWith('-NAK {') ? Number(JSON.parse(settlement.slice(5)).delay) : 0;
    this.#lease(consumer, seq, now + delayNs / 1e6);
  }

  #close(consumer: Consumer, seq: number): void {
    const pending = consumer.end(seq);
    if (pending !== undefined) this.#deliveries.note(() => consumer.pending.set(seq, pending));
    const message = this.#drop(seq);
    if (message === undefined) return;
    this.#removals.note(() => {
      if (this.bySubject.has(message.subject) || message.expiresAt <= this.#time.now) return;
      this.messages.set(seq, message);
      this.bySubject.set(message.subject, seq);
    });
  }

  /** The server was killed. @param ms how much of the latest was not on its disk. */
  crash(ms: number): void {
    this.#removals.forget(ms);
    this.#deliveries.forget(ms);
    // Ids are read from the messages that are there.
    this.#ids.clear();
    for (const consumer of this.consumers.values()) consumer.crash();
  }

  /** It is started again: leases go on. */
  recover(): void {
    for (const { seq, expiresAt } of this.messages.values())
      if (Number.isFinite(expiresAt)) this.#time.at(this.#proc(), expiresAt, () => this.#drop(seq));
    for (const consumer of this.consumers.values())
      for (const [seq, pending] of consumer.pending) {
        if (!this.messages.has(seq)) consumer.pending.delete(seq);
        else {
          pending.deadline = Math.max(pending.deadline, this.#time.now);
          this.#watch(consumer, seq, pending.deadline);
        }
      }
  }
}
