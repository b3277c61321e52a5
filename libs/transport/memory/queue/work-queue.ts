/**
 * The work queue in memory: one object is broker and connection at once, and everybody who shares it shares the queue. Nothing
 * happens by itself when time passes: after moving the clock, call {@link MemoryWorkQueue.elapse}.
 */
import {
  boundConsumer,
  boundFilter,
  DispatchError,
  deadFilterOf,
  deadFilters,
  deadStream,
  type QueueAddress,
  readWorkFilter,
  requestFilters,
  shardOfStream,
  subjectOf,
  type WorkQueueKey,
  workConsumer,
  workFilter,
  workStream,
} from '@penstock/protocol';
import { asDeadLetter } from '../../ports/queue/dead-letter.ts';
import type { ConsumerOptions, QueueState, StreamLimits } from '../../ports/queue/queue-admin.ts';
import type { Delivery, Puller, Settlement } from '../../ports/queue/work-consumer.ts';
import type { DeadKeeping, DeadOf, DeadReason, PublishOptions } from '../../ports/queue/work-publisher.ts';
import type { WorkQueue } from '../../ports/queue/work-queue.ts';
import type { MemoryClock } from '../clock.ts';
import { Recorded } from '../recorded.ts';
import { MemoryControlChannel } from './control-channel.ts';
import { matchesFilter } from './subjects.ts';
import { type MemoryMessage, type MemoryPull, MemoryWorkStream } from './work-stream.ts';

const ACK_PREFIX = '$MEMORY.ACK.';

export interface MemorySettlement {
  readonly subject: string;
  readonly how: Settlement;
  readonly delayMs: number | undefined;
}

export interface MemoryDeadLetter {
  readonly subject: string;
  readonly reason: string;
  readonly message: string;
  readonly data: Uint8Array;
}

export class MemoryWorkQueue extends MemoryControlChannel implements WorkQueue {
  readonly #streams = new Map<string, MemoryWorkStream>();
  readonly #deadStreams = new Set<string>();
  /** Number in the ack subject → what was delivered. */
  readonly #deliveries = new Map<number, { stream: MemoryWorkStream; message: MemoryMessage }>();
  readonly #clock: MemoryClock;
  #isDispatching = false;
  readonly published = new Recorded<
    PublishOptions & { readonly address: QueueAddress; readonly data: Uint8Array }
  >();
  readonly settled = new Recorded<MemorySettlement>();
  readonly deadLetters = new Recorded<MemoryDeadLetter>();

  constructor(clock: MemoryClock) {
    super(clock);
    this.#clock = clock;
  }

  /** Subjects of what is queued or being delivered, oldest first. */
  get queued(): string[] {
    return [...this.#streams.values()].flatMap(stream => [...stream.messages.keys()]);
  }

  async ensureWorkStream(region: string, shard: number, limits: StreamLimits): Promise<void> {
    const name = workStream(region, shard);
    const known = this.#streams.get(name);
    if (known === undefined) this.#streams.set(name, new MemoryWorkStream(limits));
    else known.limits = limits;
  }

  async ensureDeadStream(region: string): Promise<void> {
    this.#deadStreams.add(deadStream(region));
  }

  async ensureConsumer(key: WorkQueueKey, options: ConsumerOptions): Promise<void> {
    this.#ensureConsumer(workStream(key.region, key.shard), workConsumer(key), workFilter(key), options);
  }

  async restoreConsumers(
    region: string,
    shard: number,
    keys: readonly WorkQueueKey[],
    { most, ...options }: ConsumerOptions & { readonly most: number },
  ): Promise<number> {
    if (!this.connected) throw new Error('no connection');
    const { consumers } = this.#stream(workStream(region, shard));
    const missing = keys.filter(key => !consumers.has(workConsumer(key)));
    const restored = missing.slice(0, Math.max(0, most - consumers.size));
    for (const key of restored) await this.ensureConsumer(key, options);
    return restored.length;
  }

  async ensureBoundConsumer(
    region: string,
    shard: number,
    worker: string,
    options: ConsumerOptions,
  ): Promise<void> {
    const filter = boundFilter(region, shard, worker);
    this.#ensureConsumer(workStream(region, shard), boundConsumer(worker), filter, options);
  }

  #ensureConsumer(stream: string, name: string, filter: string, { ackWaitMs }: ConsumerOptions): void {
    const { consumers } = this.#stream(stream);
    consumers.set(name, { filter, ackWaitMs, delivered: consumers.get(name)?.delivered ?? 0 });
    this.#dispatchSoon();
  }

  async holds(region: string, shards: number, id: string): Promise<boolean> {
    if (!this.connected) throw new Error('no connection');
    const isDead = this.deadLetters.items.some(({ subject }) =>
      deadFilters(region, id).some(filter => matchesFilter(subject, filter)),
    );
    const filters = Array.from({ length: shards }, (_, shard) => requestFilters(region, shard, id)).flat();
    return isDead || this.queued.some(subject => filters.some(filter => matchesFilter(subject, filter)));
  }

  async queuesWithWork(region: string, isAsked: (shard: number) => boolean): Promise<WorkQueueKey[]> {
    if (!this.connected) throw new Error('no connection');
    const found: WorkQueueKey[] = [];
    for (const [name, stream] of this.#streams) {
      const shard = shardOfStream(region, name);
      if (shard === null || !isAsked(shard)) continue;
      for (const { filter } of stream.consumers.values()) {
        const key = readWorkFilter(filter);
        const hasWork = [...stream.messages.keys()].some(subject => matchesFilter(subject, filter));
        if (key !== null && hasWork) found.push(key);
      }
    }
    return found;
  }

  /** This one forgets nothing. */
  async undelivered(): Promise<QueueAddress[]> {
    return [];
  }

  async fill(region: string, shard: number): Promise<{ messages: number; bytes: number } | null> {
    const messages = this.#streams.get(workStream(region, shard))?.messages;
    if (messages === undefined) return null;
    const bytes = [...messages.values()].reduce((sum, { data }) => sum + data.length, 0);
    return { messages: messages.size, bytes };
  }

  async queueState(key: WorkQueueKey): Promise<QueueState | null> {
    const found = this.#pendingOf(key);
    return found && { pending: found.pending.length, delivered: found.consumer.delivered };
  }

  async oldestPendingAt(key: WorkQueueKey): Promise<number | null> {
    return this.#pendingOf(key)?.pending[0]?.availableAt ?? null;
  }

  #pendingOf(key: WorkQueueKey) {
    const stream = this.#streams.get(workStream(key.region, key.shard));
    const consumer = stream?.consumers.get(workConsumer(key));
    if (stream === undefined || consumer === undefined || !this.connected) return null;
    const pending = [...stream.messages.values()].filter(
      message => message.deliveries === 0 && matchesFilter(message.subject, consumer.filter),
    );
    return { consumer, pending };
  }

  get unavailable(): string | null {
    return null;
  }

  async publish(address: QueueAddress, data: Uint8Array, options: PublishOptions): Promise<void> {
    const stream = this.#streams.get(streamOf(address));
    if (!this.connected || stream === undefined) throw new DispatchError('broker_unavailable');
    stream.publish(address, data, options, this.#clock.now());
    this.published.add({ address, data, ...options });
    this.#dispatchSoon();
  }

  async read(address: QueueAddress): Promise<Uint8Array | null> {
    return this.#stream(streamOf(address)).messages.get(subjectOf(address))?.data ?? null;
  }

  purge(address: QueueAddress): void {
    if (this.connected) this.#stream(streamOf(address)).purge(subjectOf(address));
  }

  purgeBound(region: string, shard: number, worker: string): void {
    if (this.connected) this.#stream(workStream(region, shard)).purge(boundFilter(region, shard, worker));
  }

  async clear(address: QueueAddress): Promise<void> {
    this.#stream(streamOf(address)).purge(subjectOf(address));
  }

  async moveToDead(
    address: QueueAddress,
    { code: reason, message }: DeadReason,
    keeping?: DeadKeeping,
  ): Promise<void> {
    const data = await this.read(address);
    if (data === null) return;
    if (!this.#deadStreams.has(deadStream(address.region))) throw new DispatchError('broker_unavailable');
    const { discarded, ...letter } = await asDeadLetter(address, message, data, keeping);
    this.deadLetters.add({ reason, ...letter });
    if (discarded !== null) await keeping?.discard(discarded);
  }

  async dropDead(region: string, of: DeadOf): Promise<void> {
    if (!this.#deadStreams.has(deadStream(region))) throw new DispatchError('broker_unavailable');
    const filters = 'id' in of ? deadFilters(region, of.id) : [deadFilterOf(region, of.partOf)];
    this.deadLetters.remove(({ subject }) => filters.some(filter => matchesFilter(subject, filter)));
  }

  pull(key: WorkQueueKey, onDelivery: (delivery: Delivery) => void): Puller {
    return this.#pull(workStream(key.region, key.shard), workConsumer(key), onDelivery);
  }

  pullBound(region: string, shard: number, worker: string, onDelivery: (delivery: Delivery) => void): Puller {
    return this.#pull(workStream(region, shard), boundConsumer(worker), onDelivery);
  }

  #pull(streamName: string, consumer: string, onDelivery: (delivery: Delivery) => void): Puller {
    const stream = this.#stream(streamName);
    const pull: MemoryPull = { consumer, offer: null, remaining: 0, onDelivery };
    let isStopped = false;
    return {
      bid: offer => {
        if (isStopped) return;
        stream.offer(pull, offer);
        this.#dispatchSoon();
      },
      stop: async () => {
        isStopped = true;
        stream.offer(pull, null);
      },
    };
  }

  isAckOf(address: QueueAddress, ackSubject: string): boolean {
    const { message } = this.#deliveries.get(Number(ackSubject.slice(ACK_PREFIX.length))) ?? {};
    if (message === undefined || !ackSubject.startsWith(ACK_PREFIX)) return false;
    return queueOfSubject(message.subject) === queueOfSubject(subjectOf(address));
  }

  settle(ackSubject: string, how: Settlement, delayMs?: number): void {
    const delivery = this.#deliveries.get(Number(ackSubject.slice(ACK_PREFIX.length)));
    if (!this.connected || delivery === undefined) return;
    const { stream, message } = delivery;
    const isThere = stream.messages.get(message.subject) === message;
    const consumer = [...stream.consumers.values()].find(each => matchesFilter(message.subject, each.filter));
    const now = this.#clock.now();
    if (how === 'ack' || how === 'term') {
      if (isThere) stream.messages.delete(message.subject);
    } else if (message.leaseUntil !== null) {
      if (how === 'progress') message.leaseUntil = now + (consumer?.ackWaitMs ?? 0);
      else [message.leaseUntil, message.availableAt] = [null, now + (delayMs ?? 0)];
    }
    this.settled.add({ subject: message.subject, how, delayMs });
    this.#dispatchSoon();
  }

  /** Does what the clock says is due: messages and leases end, delayed messages are delivered, questions time out. */
  override elapse(): void {
    super.elapse();
    for (const stream of this.#streams.values()) stream.elapse(this.#clock.now());
    this.#dispatchSoon();
  }

  /** @param connected false: everything that is sent is lost or refused, and nothing is delivered. */
  override setConnected(connected: boolean): void {
    super.setConnected(connected);
    this.#dispatchSoon();
  }

  #stream(name: string): MemoryWorkStream {
    const stream = this.#streams.get(name);
    if (stream === undefined) throw new Error(`no stream ${name}: call ensureWorkStream first`);
    return stream;
  }

  /** Deliveries are made after the current step, as those of a broker come some time later. */
  #dispatchSoon(): void {
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    queueMicrotask(() => {
      this.#isDispatching = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    if (!this.connected) return;
    for (const stream of this.#streams.values()) {
      const next = stream.next(this.#clock.now());
      if (next === null) continue;
      const { pull, message } = next;
      const delivery = this.#deliveries.size + 1;
      this.#deliveries.set(delivery, { stream, message });
      this.#dispatchSoon();
      pull.onDelivery({
        address: message.address,
        data: message.data,
        ackSubject: ACK_PREFIX + delivery,
        deliveryCount: message.deliveries,
      });
    }
  }

  async close(): Promise<void> {
    this.setConnected(false);
  }
}

function streamOf({ region, shard }: QueueAddress): string {
  return workStream(region, shard);
}

/** A subject without the request's id. */
function queueOfSubject(subject: string): string {
  return subject.slice(0, subject.lastIndexOf('.'));
}
