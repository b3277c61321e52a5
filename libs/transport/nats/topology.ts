/** Streams and consumers: their configuration, and recreating them after the broker has lost them. */
import type { JetStreamManager } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import {
  boundConsumer,
  boundFilter,
  type ControlOrder,
  deadFilters,
  deadStream,
  deadStreamSubjects,
  type QueueAddress,
  readWorkFilter,
  requestFilters,
  shardOfStream,
  type WorkQueueKey,
  workConsumer,
  workFilter,
  workRegionSubjects,
  workStream,
  workStreamSubjects,
} from '@penstock/protocol';
import { ConnectError } from '../ports/connect-error.ts';
import type { ConsumerOptions, QueueAdmin, QueueState, StreamLimits } from '../ports/queue/queue-admin.ts';
import type { ControlClient } from './control-role.ts';
import { findUndelivered } from './undelivered.ts';

/**
 * Deliveries are not counted against a message: past a limit it would stay in the stream and be delivered to nobody, without a word. Its time
 * in the queue ends it, and failures do long before; being handed back (no room, a store that refuses) is no failure.
 */
const MAX_DELIVER = -1;
/** Live pulls that a consumer accepts. Cannot be changed later. */
const MAX_WAITING = 4096;
/** Dedupe window for repeated publishes; their ids are kept in the broker's memory. */
const DUPLICATE_WINDOW_MS = 30_000;
/**
 * So is that of a queue, long after any work in it has ended: the delivery counts of work would begin anew. Adapters come and go,
 * and a stream has a limited number of consumers.
 */
const QUEUE_UNUSED_MS = 48 * 3_600_000;
/** A worker's own consumer is deleted when the worker has not pulled for this long. */
const BOUND_UNUSED_MS = 10 * 60_000;
const DEAD_MAX_AGE_MS = 7 * 24 * 3600 * 1000;
const DEAD_MAX_BYTES = 256 * 1024 * 1024;
/** JetStream's code for a stream that exists with another configuration. */
const STREAM_NAME_IN_USE = 10058;
/** JetStream's code for several copies on a server without a cluster. */
const NOT_CLUSTERED = 10074;
/** JetStream's code for a message that is not there. */
const NO_MESSAGE = 10037;
/** The priority group of every consumer. JetStream wants one to be named. */
export const PULL_GROUP = 'w';

type StreamConfig = Parameters<JetStreamManager['streams']['add']>[0];
type ConsumerConfig = Parameters<JetStreamManager['consumers']['add']>[1];

/** What one consumer does not share with the others. */
interface OwnConfig {
  readonly durable_name: string;
  readonly filter_subject: string;
  readonly inactive_threshold: number;
}

export class NatsTopology implements QueueAdmin {
  readonly #jsm: JetStreamManager;
  /**
   * How to recreate each consumer. The broker deletes a worker's own consumer when its engine was sick for long, and loses all
   * of them with its disk.
   */
  readonly #makers = new Map<string, () => Promise<void>>();

  /** Configurations of the streams that this process makes. */
  readonly #streams = new Map<string, StreamConfig>();
  readonly #replicas: number;
  readonly #control: ControlClient | null;

  /**
   * @param replicas servers that keep each stream, and its consumers with it.
   * @param control by which an ingress makes the consumers that are asked for here, where one does.
   */
  constructor(jsm: JetStreamManager, replicas = 1, control: ControlClient | null = null) {
    this.#jsm = jsm;
    this.#replicas = replicas;
    this.#control = control;
  }

  async ensureWorkStream(region: string, shard: number, limits: StreamLimits): Promise<void> {
    await this.#ensureStream({
      name: workStream(region, shard),
      subjects: [workStreamSubjects(region, shard)],
      retention: 'workqueue',
      storage: 'file',
      discard: 'new',
      max_msgs: limits.maxMessages,
      max_bytes: limits.maxBytes,
      // One message a subject: a publish repeated after a lost PubAck cannot enqueue twice.
      max_msgs_per_subject: 1,
      discard_new_per_subject: true,
      max_consumers: 4096,
      duplicate_window: nanos(DUPLICATE_WINDOW_MS),
      allow_msg_ttl: true,
    });
  }

  async ensureDeadStream(region: string): Promise<void> {
    await this.#ensureStream({
      name: deadStream(region),
      subjects: [deadStreamSubjects(region)],
      storage: 'file',
      max_age: nanos(DEAD_MAX_AGE_MS),
      max_bytes: DEAD_MAX_BYTES,
    });
  }

  async #ensureStream(own: Record<string, unknown> & { name: string }): Promise<void> {
    const config = { ...own, num_replicas: this.#replicas } as StreamConfig;
    this.#streams.set(own.name, config);
    try {
      await this.#jsm.streams.add(config);
    } catch (err) {
      const { code, message } = err as { code?: number; message: string };
      if (code === NOT_CLUSTERED) throw new ConnectError(`one nats-server keeps one copy: ${message}`);
      // Our configuration wins where the broker lets it be changed.
      if (code !== STREAM_NAME_IN_USE) throw err;
      await this.#updateStream(config);
    }
  }

  /** Copies are added while it is in use. They are taken away by hand only: another ingress may have been told of more. */
  async #updateStream(config: StreamConfig): Promise<void> {
    const { config: present } = await this.#jsm.streams.info(config.name);
    const num_replicas = Math.max(present.num_replicas, this.#replicas);
    const update = { ...config, num_replicas } as Parameters<JetStreamManager['streams']['update']>[1];
    await this.#jsm.streams.update(config.name, update);
  }

  /** Makes a stream again that the broker lost with its disk. Failures are ignored: whoever publishes asks again. */
  remakeStream(stream: string): void {
    const config = this.#streams.get(stream);
    if (config !== undefined) this.#jsm.streams.add(config).catch(() => {});
  }

  ensureConsumer(key: WorkQueueKey, options: ConsumerOptions): Promise<void> {
    const { shard, slug, lane, size } = key;
    const order = { do: 'queue', shard, slug, lane, size } as const;
    return this.#ensureConsumer(workStream(key.region, shard), shared(key), order, options);
  }

  async restoreConsumers(
    region: string,
    shard: number,
    keys: readonly WorkQueueKey[],
    { most, ...options }: ConsumerOptions & { readonly most: number },
  ): Promise<number> {
    const stream = workStream(region, shard);
    const there = new Set<string>();
    for await (const { name } of this.#jsm.consumers.list(stream)) there.add(name);
    const missing = keys.filter(key => !there.has(workConsumer(key)));
    const restored = missing.slice(0, Math.max(0, most - there.size));
    for (const key of restored) {
      const config = configOf(shared(key), options);
      await this.#jsm.consumers.add(stream, config).catch((err: Error) => {
        // A worker was faster.
        if (!isThere(err)) throw err;
      });
    }
    return restored.length;
  }

  ensureBoundConsumer(
    region: string,
    shard: number,
    worker: string,
    options: ConsumerOptions,
  ): Promise<void> {
    const own = {
      durable_name: boundConsumer(worker),
      filter_subject: boundFilter(region, shard, worker),
      inactive_threshold: nanos(BOUND_UNUSED_MS),
    };
    return this.#ensureConsumer(workStream(region, shard), own, { do: 'bound', shard, worker }, options);
  }

  async #ensureConsumer(
    stream: string,
    own: OwnConfig,
    order: ControlOrder,
    options: ConsumerOptions,
  ): Promise<void> {
    const name = own.durable_name;
    this.#makers.set(`${stream} ${name}`, () => this.#ensureConsumer(stream, own, order, options));
    if (await this.#control?.order(order)) return;
    const config = configOf(own, options);
    try {
      await this.#jsm.consumers.add(stream, config);
    } catch (err) {
      if (!isThere(err as Error)) throw err;
      await this.#jsm.consumers.update(stream, name, config);
    }
  }

  /** Recreates a consumer that the broker no longer knows. Failures are ignored: the puller will ask again. */
  remakeConsumer(stream: string, consumer: string): void {
    const make = this.#makers.get(`${stream} ${consumer}`);
    if (make !== undefined) make().catch(() => {});
  }

  async holds(region: string, shards: number, id: string): Promise<boolean> {
    for (let shard = 0; shard < shards; shard++)
      for (const filter of requestFilters(region, shard, id))
        if (await this.#has(workStream(region, shard), filter)) return true;
    for (const filter of deadFilters(region, id))
      if (await this.#has(deadStream(region), filter)) return true;
    return false;
  }

  async #has(stream: string, filter: string): Promise<boolean> {
    const found = await this.#jsm.streams
      .getMessage(stream, { last_by_subj: filter })
      .catch((err: { code?: number }) => {
        if (err.code === NO_MESSAGE) return null;
        throw err;
      });
    return found !== null;
  }

  async queuesWithWork(region: string, isAsked: (shard: number) => boolean): Promise<WorkQueueKey[]> {
    const found: WorkQueueKey[] = [];
    for await (const { config, state } of this.#jsm.streams.list(workRegionSubjects(region))) {
      const shard = shardOfStream(region, config.name);
      if (shard === null || !isAsked(shard) || state.messages === 0) continue;
      for await (const info of this.#jsm.consumers.list(config.name)) {
        const key = readWorkFilter(info.config.filter_subject ?? '');
        if (key !== null && info.num_pending + info.num_ack_pending > 0) found.push(key);
      }
    }
    return found;
  }

  undelivered(region: string, shard: number): Promise<QueueAddress[]> {
    return findUndelivered(this.#jsm, region, shard);
  }

  async fill(region: string, shard: number): Promise<{ messages: number; bytes: number } | null> {
    try {
      const { messages, bytes } = (await this.#jsm.streams.info(workStream(region, shard))).state;
      return { messages, bytes };
    } catch {
      return null;
    }
  }

  async queueState(key: WorkQueueKey): Promise<QueueState | null> {
    try {
      const info = await this.#jsm.consumers.info(workStream(key.region, key.shard), workConsumer(key));
      return { pending: info.num_pending, delivered: info.delivered.consumer_seq };
    } catch {
      return null;
    }
  }

  async oldestPendingAt(key: WorkQueueKey): Promise<number | null> {
    const stream = workStream(key.region, key.shard);
    try {
      const { num_pending, delivered } = await this.#jsm.consumers.info(stream, workConsumer(key));
      if (num_pending === 0) return null;
      const after = { seq: delivered.stream_seq + 1, next_by_subj: workFilter(key) };
      return (await this.#jsm.streams.getMessage(stream, after))?.time.getTime() ?? null;
    } catch {
      return null;
    }
  }
}

function shared(key: WorkQueueKey): OwnConfig {
  return {
    durable_name: workConsumer(key),
    filter_subject: workFilter(key),
    inactive_threshold: nanos(QUEUE_UNUSED_MS),
  };
}

function configOf(own: OwnConfig, { ackWaitMs }: ConsumerOptions): ConsumerConfig {
  const config = {
    ...own,
    ack_policy: 'explicit',
    deliver_policy: 'all',
    replay_policy: 'instant',
    ack_wait: nanos(ackWaitMs),
    max_deliver: MAX_DELIVER,
    max_ack_pending: -1,
    max_waiting: MAX_WAITING,
    priority_groups: [PULL_GROUP],
    priority_policy: 'prioritized',
  };
  return config as ConsumerConfig;
}

/** Whether a consumer could not be made because there is one, with another configuration. */
function isThere(err: Error): boolean {
  return /already exists/.test(err.message);
}
