/** The work queue on NATS JetStream: the four ports on one connection. */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  type ControlAddress,
  type ControlFilter,
  type QueueAddress,
  subjectOf,
  type WorkQueueKey,
} from '@penstock/protocol';
import type { Answer, OnControlMessage } from '../ports/queue/control-channel.ts';
import type { ConsumerOptions, QueueState, StreamLimits } from '../ports/queue/queue-admin.ts';
import type { Delivery, Puller, Settlement } from '../ports/queue/work-consumer.ts';
import type { DeadKeeping, DeadOf, DeadReason, PublishOptions } from '../ports/queue/work-publisher.ts';
import type { WorkQueue } from '../ports/queue/work-queue.ts';
import { dialBroker, type NatsOptions } from './connection/connection.ts';
import { NatsControlChannel } from './control-channel.ts';
import { ControlClient, type ControlOptions, serveControl } from './control-role.ts';
import { NatsRequests } from './requests.ts';
import { NatsTopology } from './topology.ts';
import { NatsWorkConsumer } from './work-consumer.ts';
import { NatsWorkPublisher } from './work-publisher.ts';

/** How long `close` waits for the broker to take what was sent. */
const DRAIN_LIMIT_MS = 2000;

export interface NatsWorkQueueOptions extends NatsOptions {
  /** Region whose ingress nodes make consumers and keep dead letters for this process: of a worker. */
  readonly served?: string;
  /** Servers that keep each stream which this process makes; 1 where absent. */
  readonly replicas?: number;
  /** Told why a stream takes nothing any more, and when it does again (null). */
  readonly onTrouble?: (stream: string, why: string | null) => void;
  /** Told what was thrown by those that messages are handed to; where absent it is thrown on, and ends the process. */
  readonly onUnhandled?: (err: unknown) => void;
}

function throwOn(err: unknown): never {
  throw err;
}

export class NatsWorkQueue implements WorkQueue {
  readonly #nc: NatsConnection;
  readonly #topology: NatsTopology;
  readonly #publisher: NatsWorkPublisher;
  readonly #consumer: NatsWorkConsumer;
  readonly #control: NatsControlChannel;
  readonly #ingress: ControlClient | null;

  private constructor(nc: NatsConnection, jsm: JetStreamManager, options: NatsWorkQueueOptions) {
    this.#nc = nc;
    const requests = new NatsRequests(nc);
    this.#ingress = options.served === undefined ? null : new ControlClient(requests, options.served);
    const topology = new NatsTopology(jsm, options.replicas, this.#ingress);
    this.#topology = topology;
    this.#publisher = new NatsWorkPublisher(nc, jsm, requests, {
      remakeStream: stream => topology.remakeStream(stream),
      onTrouble: options.onTrouble,
    });
    const { onUnhandled = throwOn } = options;
    this.#consumer = new NatsWorkConsumer(nc, this.#topology, onUnhandled);
    this.#control = new NatsControlChannel(nc, requests, onUnhandled);
    void this.#watch();
  }

  /** Connects, and reconnects for ever. @throws ConnectError when the first connection fails or the server cannot be used. */
  static async connect(options: NatsWorkQueueOptions): Promise<NatsWorkQueue> {
    const { nc, jsm } = await dialBroker(options);
    return new NatsWorkQueue(nc, jsm, options);
  }

  /** Whether the server is one of a cluster. */
  get isClustered(): boolean {
    return this.#nc.info?.cluster !== undefined;
  }

  async #watch(): Promise<void> {
    for await (const status of this.#nc.status()) {
      if (status.type === 'disconnect') this.#control.changed(false);
      if (status.type !== 'reconnect') continue;
      this.#control.changed(true);
      this.#consumer.reconnected();
    }
  }

  ensureWorkStream(region: string, shard: number, limits: StreamLimits): Promise<void> {
    return this.#topology.ensureWorkStream(region, shard, limits);
  }

  ensureDeadStream(region: string): Promise<void> {
    return this.#topology.ensureDeadStream(region);
  }

  ensureConsumer(key: WorkQueueKey, options: ConsumerOptions): Promise<void> {
    return this.#topology.ensureConsumer(key, options);
  }

  restoreConsumers(...args: Parameters<NatsTopology['restoreConsumers']>): Promise<number> {
    return this.#topology.restoreConsumers(...args);
  }

  ensureBoundConsumer(
    region: string,
    shard: number,
    worker: string,
    options: ConsumerOptions,
  ): Promise<void> {
    return this.#topology.ensureBoundConsumer(region, shard, worker, options);
  }

  holds(region: string, shards: number, id: string): Promise<boolean> {
    return this.#topology.holds(region, shards, id);
  }

  queuesWithWork(region: string, isAsked: (shard: number) => boolean): Promise<WorkQueueKey[]> {
    return this.#topology.queuesWithWork(region, isAsked);
  }

  undelivered(region: string, shard: number): Promise<QueueAddress[]> {
    return this.#topology.undelivered(region, shard);
  }

  fill(region: string, shard: number): Promise<{ messages: number; bytes: number } | null> {
    return this.#topology.fill(region, shard);
  }

  queueState(key: WorkQueueKey): Promise<QueueState | null> {
    return this.#topology.queueState(key);
  }

  oldestPendingAt(key: WorkQueueKey): Promise<number | null> {
    return this.#topology.oldestPendingAt(key);
  }

  get unavailable(): string | null {
    return this.#publisher.unavailable;
  }

  publish(address: QueueAddress, payload: Uint8Array, options: PublishOptions): Promise<void> {
    return this.#publisher.publish(address, payload, options);
  }

  read(address: QueueAddress): Promise<Uint8Array | null> {
    return this.#publisher.read(address);
  }

  purge(address: QueueAddress): void {
    this.#publisher.purge(address);
  }

  purgeBound(region: string, shard: number, worker: string): void {
    this.#publisher.purgeBound(region, shard, worker);
  }

  clear(address: QueueAddress): Promise<void> {
    return this.#publisher.clear(address);
  }

  async moveToDead(address: QueueAddress, failure: DeadReason, keeping?: DeadKeeping): Promise<void> {
    const { code, message } = failure;
    if (await this.#ingress?.keepDead(subjectOf(address), code, message)) return;
    await this.#publisher.moveToDead(address, failure, keeping);
  }

  dropDead(region: string, of: DeadOf): Promise<void> {
    return this.#publisher.dropDead(region, of);
  }

  /** Does for workers what they may not do, see control-role.ts. */
  serveWorkers(options: ControlOptions): void {
    serveControl(this.#nc, { topology: this.#topology, publisher: this.#publisher }, options);
  }

  pull(key: WorkQueueKey, onDelivery: (delivery: Delivery) => void, onSurplus?: () => void): Puller {
    return this.#consumer.pull(key, onDelivery, onSurplus);
  }

  pullBound(
    region: string,
    shard: number,
    worker: string,
    onDelivery: (delivery: Delivery) => void,
    onSurplus?: () => void,
  ): Puller {
    return this.#consumer.pullBound(region, shard, worker, onDelivery, onSurplus);
  }

  isAckOf(address: QueueAddress, ackSubject: string): boolean {
    return this.#consumer.isAckOf(address, ackSubject);
  }

  settle(ackSubject: string, how: Settlement, delayMs?: number): void {
    this.#consumer.settle(ackSubject, how, delayMs);
  }

  get connected(): boolean {
    return this.#control.connected;
  }

  send(to: ControlAddress, payload: Uint8Array): void {
    this.#control.send(to, payload);
  }

  listen(filter: ControlFilter, onMessage: OnControlMessage): void {
    this.#control.listen(filter, onMessage);
  }

  ask(to: ControlAddress, payload: Uint8Array, timeoutMs: number): Promise<Answer> {
    return this.#control.ask(to, payload, timeoutMs);
  }

  async close(): Promise<void> {
    this.#publisher.close();
    if (this.#nc.isClosed()) return;
    await Promise.race([
      this.#nc.drain().catch(() => {}),
      new Promise(resolve => setTimeout(resolve, DRAIN_LIMIT_MS).unref()),
    ]);
    await this.#nc.close();
  }
}
