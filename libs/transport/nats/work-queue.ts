/** The work queue on NATS JetStream. The only file that imports the NATS client. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, type Msg, type NatsConnection, nanos } from '@nats-io/transport-node';
import {
  DispatchError,
  deadStream,
  deadStreamSubjects,
  stickyConsumer,
  stickyFilter,
  type WorkQueueKey,
  workConsumer,
  workFilter,
  workStream,
  workStreamSubjects,
} from '@penstock/protocol';
import {
  type Answer,
  ConnectError,
  type ConsumerOptions,
  type Delivery,
  type PublishOptions,
  type Puller,
  type Settlement,
  type StreamLimits,
  type WorkQueue,
} from '../ports/ports.ts';
import { NatsPuller, type PulledMessage, type PullWire } from './puller.ts';
import { NatsRequests } from './requests.ts';

/** The first release with `priority_policy: prioritized`. */
const LEAST_VERSION = [2, 12];
/** Largest message that the server has to take: the largest body an ingress can be set to accept, and its meta line. */
const LEAST_PAYLOAD_BYTES = 8_000_000;
/** Past this the broker is taken for absent: with a full disk it never sends a PubAck at all. */
const PUBLISH_TIMEOUT_MS = 1000;
/** A backstop: past it a message stays, invisible. Failures end a request long before; what a full worker hands back counts too. */
const MAX_DELIVER = 1000;
/** Live pulls a consumer accepts. Cannot be changed later. */
const MAX_WAITING = 4096;
/** Dedupe window for repeated publishes; ids are kept in the broker's memory. */
const DUPLICATE_WINDOW_MS = 30_000;
/** A worker's own consumer goes when the worker has not pulled for this long. */
const STICKY_UNUSED_MS = 10 * 60_000;
/** How often a dead letter is written again when the broker does not say that it has it, and the pause between, ms. */
const DEAD_TRIES = 10;
const DEAD_PAUSE_MS = 500;
const DEAD_MAX_AGE_MS = 7 * 24 * 3600 * 1000;
/** Stream store failures (`maximum messages exceeded` and its kin) share this code. */
const STORE_FAILED = 10077;
const TOO_MANY_REQUESTS = 10167;
const VERBS: Record<Settlement, Uint8Array> = {
  ack: Buffer.from('+ACK'),
  nak: Buffer.from('-NAK'),
  term: Buffer.from('+TERM'),
  progress: Buffer.from('+WPI'),
};

export interface NatsOptions {
  readonly url: string;
  /** Shown in the broker's monitoring. */
  readonly name: string;
}

type PubAck = { readonly error?: { code: number; err_code?: number; description?: string } };

export class NatsWorkQueue implements WorkQueue {
  readonly #nc: NatsConnection;
  readonly #jsm: JetStreamManager;
  readonly #requests: NatsRequests;
  readonly #pullers = new Set<NatsPuller>();
  /** How each consumer was made. The broker forgets a worker's own when its engine was sick for long, and all with its disk. */
  readonly #makers = new Map<string, () => Promise<void>>();
  #connected = true;

  private constructor(nc: NatsConnection, jsm: JetStreamManager) {
    this.#nc = nc;
    this.#jsm = jsm;
    this.#requests = new NatsRequests(nc);
    void this.#watch();
  }

  /** Connects and keeps reconnecting for ever. @throws ConnectError when the first connection fails or the server cannot be used. */
  static async connect(options: NatsOptions): Promise<NatsWorkQueue> {
    const nc = await dial(options);
    const version = nc.info?.version ?? '0';
    if (isOlder(version, LEAST_VERSION)) {
      await nc.close();
      throw new ConnectError(
        `nats-server ${version} is too old: prioritized pulls need ${LEAST_VERSION.join('.')} or newer`,
      );
    }
    const payload = nc.info?.max_payload ?? 0;
    if (payload < LEAST_PAYLOAD_BYTES) {
      await nc.close();
      throw new ConnectError(
        `nats-server takes messages up to ${payload} bytes only: set max_payload: 8MB in its configuration`,
      );
    }
    try {
      return new NatsWorkQueue(nc, await jetstreamManager(nc));
    } catch {
      await nc.close();
      throw new ConnectError('nats-server runs without JetStream: start it with -js or a jetstream block');
    }
  }

  get connected(): boolean {
    return this.#connected;
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
      max_bytes: 256 * 1024 * 1024,
    });
  }

  async #ensureStream(config: Record<string, unknown> & { name: string }): Promise<void> {
    try {
      await this.#jsm.streams.add(config as Parameters<JetStreamManager['streams']['add']>[0]);
    } catch (err) {
      // 10058: it exists with another configuration; ours wins where the broker lets it change.
      if ((err as { code?: number }).code !== 10058) throw err;
      await this.#jsm.streams.update(
        config.name,
        config as Parameters<JetStreamManager['streams']['update']>[1],
      );
    }
  }

  ensureConsumer(key: WorkQueueKey, options: ConsumerOptions): Promise<void> {
    const own = { durable_name: workConsumer(key), filter_subject: workFilter(key) };
    return this.#ensureConsumer(workStream(key.region, key.shard), own, options);
  }

  ensureStickyConsumer(
    region: string,
    shard: number,
    worker: string,
    options: ConsumerOptions,
  ): Promise<void> {
    const own = {
      durable_name: stickyConsumer(worker),
      filter_subject: stickyFilter(region, shard, worker),
      inactive_threshold: nanos(STICKY_UNUSED_MS),
    };
    return this.#ensureConsumer(workStream(region, shard), own, options);
  }

  async #ensureConsumer(
    stream: string,
    own: { durable_name: string; filter_subject: string; inactive_threshold?: number },
    options: ConsumerOptions,
  ): Promise<void> {
    const name = own.durable_name;
    this.#makers.set(`${stream} ${name}`, () => this.#ensureConsumer(stream, own, options));
    const config = {
      ...own,
      ack_policy: 'explicit',
      deliver_policy: 'all',
      replay_policy: 'instant',
      ack_wait: nanos(options.ackWaitMs),
      max_deliver: MAX_DELIVER,
      max_ack_pending: -1,
      max_waiting: MAX_WAITING,
      priority_groups: ['w'],
      priority_policy: 'prioritized',
    };
    try {
      await this.#jsm.consumers.add(stream, config as Parameters<JetStreamManager['consumers']['add']>[1]);
    } catch (err) {
      if (!/already exists/.test(String((err as Error).message))) throw err;
      await this.#jsm.consumers.update(stream, name, config as object);
    }
  }

  async publish(subject: string, payload: Uint8Array, options: PublishOptions): Promise<void> {
    const first = await this.#tryPublish(subject, payload, options);
    if (first !== 'no_answer') return;
    // The PubAck may have been lost. The same id again is either stored, a duplicate, or refused by the
    // one-message-a-subject rule; the latter two mean that the first one was stored.
    if ((await this.#tryPublish(subject, payload, options)) === 'no_answer') {
      throw new DispatchError('broker_unavailable');
    }
  }

  async #tryPublish(
    subject: string,
    payload: Uint8Array,
    options: PublishOptions,
  ): Promise<'stored' | 'no_answer'> {
    const h = headers();
    h.set('Nats-Msg-Id', options.messageId);
    h.set('Nats-TTL', `${Math.max(1, Math.ceil(options.ttlMs / 1000))}s`);
    const reply = await this.#requests.ask(subject, payload, PUBLISH_TIMEOUT_MS, h);
    if (reply.kind !== 'reply') return 'no_answer';
    const ack = JSON.parse(reply.msg.string()) as PubAck;
    if (ack.error === undefined) return 'stored';
    const { err_code: code, description = '' } = ack.error;
    // The subject ends with the request's id: whoever is there is this request.
    if (/per subject/.test(description)) return 'stored';
    if (code === STORE_FAILED || code === TOO_MANY_REQUESTS) throw new DispatchError('queue_full');
    throw new DispatchError('broker_unavailable', { cause: new Error(description) });
  }

  purge(stream: string, subject: string): void {
    this.send(`$JS.API.STREAM.PURGE.${stream}`, Buffer.from(JSON.stringify({ filter: subject })));
  }

  async clear(stream: string, subject: string): Promise<void> {
    await this.#jsm.streams.purge(stream, { filter: subject });
  }

  async read(stream: string, subject: string): Promise<Uint8Array | null> {
    return (await this.#jsm.streams.getMessage(stream, { last_by_subj: subject }))?.data ?? null;
  }

  async moveToDead(stream: string, subject: string, to: string, reason: string): Promise<void> {
    const data = await this.read(stream, subject);
    if (data === null) return;
    const h = headers();
    h.set('Penstock-Reason', reason);
    for (let tries = 0; tries < DEAD_TRIES; tries++) {
      const reply = await this.#requests.ask(to, data, PUBLISH_TIMEOUT_MS, h);
      if (reply.kind === 'reply' && (JSON.parse(reply.msg.string()) as PubAck).error === undefined) return;
      await sleep(DEAD_PAUSE_MS);
    }
    throw new DispatchError('broker_unavailable');
  }

  settle(ackSubject: string, how: Settlement, delayMs?: number): void {
    const verb =
      how === 'nak' && delayMs ? Buffer.from(`-NAK {"delay":${Math.round(delayMs * 1e6)}}`) : VERBS[how];
    this.send(ackSubject, verb);
  }

  pull(key: WorkQueueKey, onDelivery: (delivery: Delivery) => void, onSurplus?: () => void): Puller {
    return this.#pull(workStream(key.region, key.shard), workConsumer(key), onDelivery, onSurplus);
  }

  pullSticky(
    region: string,
    shard: number,
    worker: string,
    onDelivery: (delivery: Delivery) => void,
    onSurplus?: () => void,
  ): Puller {
    return this.#pull(workStream(region, shard), stickyConsumer(worker), onDelivery, onSurplus);
  }

  #pull(
    stream: string,
    consumer: string,
    onDelivery: (delivery: Delivery) => void,
    onSurplus: () => void = () => {},
  ): Puller {
    const puller = new NatsPuller(this.#wire(), {
      stream,
      consumer,
      group: 'w',
      onDelivery,
      onSurplus,
      onNobody: () =>
        void this.#makers
          .get(`${stream} ${consumer}`)?.()
          .catch(() => {}),
      onStopped: () => this.#pullers.delete(puller),
    });
    this.#pullers.add(puller);
    return puller;
  }

  #wire(): PullWire {
    const nc = this.#nc;
    return {
      publish: (subject, payload, reply) => {
        if (!nc.isClosed()) nc.publish(subject, payload, reply ? { reply } : {});
      },
      subscribe: onMessage => {
        const inbox = `_INBOX.${crypto.randomUUID().replaceAll('-', '')}`;
        const sub = nc.subscribe(inbox, {
          callback: (err, msg) => {
            if (err === null) onMessage(toPulled(msg));
          },
        });
        return { inbox, drain: () => (nc.isClosed() ? Promise.resolve() : sub.drain()) };
      },
    };
  }

  async backlog(region: string, shard: number): Promise<number> {
    let pending = 0;
    for await (const info of this.#jsm.consumers.list(workStream(region, shard))) pending += info.num_pending;
    return pending;
  }

  async lane(key: WorkQueueKey): Promise<{ pending: number; delivered: number } | null> {
    try {
      const info = await this.#jsm.consumers.info(workStream(key.region, key.shard), workConsumer(key));
      return { pending: info.num_pending, delivered: info.delivered.consumer_seq };
    } catch {
      return null;
    }
  }

  send(subject: string, payload: Uint8Array): void {
    if (!this.#nc.isClosed()) this.#nc.publish(subject, payload);
  }

  listen(
    subject: string,
    onMessage: (payload: Uint8Array, reply: (answer: Uint8Array) => void) => void,
  ): void {
    this.#nc.subscribe(subject, {
      callback: (err, msg) => {
        if (err === null) onMessage(msg.data, answer => msg.respond(answer));
      },
    });
  }

  async ask(subject: string, payload: Uint8Array, timeoutMs: number): Promise<Answer> {
    const reply = await this.#requests.ask(subject, payload, timeoutMs);
    return reply.kind === 'reply' ? { kind: 'answer', payload: reply.msg.data } : reply;
  }

  async #watch(): Promise<void> {
    for await (const status of this.#nc.status()) {
      if (status.type === 'disconnect') this.#connected = false;
      if (status.type !== 'reconnect') continue;
      this.#connected = true;
      // The broker forgot every pull of the old connection.
      for (const puller of this.#pullers) puller.reconnected();
    }
  }

  async close(): Promise<void> {
    if (this.#nc.isClosed()) return;
    await Promise.race([
      this.#nc.drain().catch(() => {}),
      new Promise(resolve => setTimeout(resolve, 2000).unref()),
    ]);
    await this.#nc.close();
  }
}

/** A connection that comes back for ever once it was there. @throws ConnectError */
export async function dial(options: NatsOptions): Promise<NatsConnection> {
  try {
    return await connect({
      servers: options.url.split(','),
      name: options.name,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 200,
      reconnectJitter: 100,
      pingInterval: 5000,
      maxPingOut: 2,
    });
  } catch (err) {
    throw new ConnectError(`no nats-server answers there (${(err as Error).message})`);
  }
}

/** Whether a version like `2.10.3-beta` is below the given parts. */
function isOlder(version: string, least: readonly number[]): boolean {
  const parts = version.split(/[.-]/).map(Number);
  for (const [i, wanted] of least.entries()) {
    const part = parts[i] ?? 0;
    if (part !== wanted) return !(part > wanted);
  }
  return false;
}

function toPulled(msg: Msg): PulledMessage {
  const status = msg.data.length === 0 ? (msg.headers?.code ?? 0) : 0;
  return { subject: msg.subject, data: msg.data, reply: msg.reply ?? '', status };
}
