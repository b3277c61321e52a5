import type { Msg, NatsConnection } from '@nats-io/transport-node';
import {
  boundConsumer,
  type QueueAddress,
  readAckSubject,
  type WorkQueueKey,
  workConsumer,
  workStream,
} from '@penstock/protocol';
import type { Delivery, Puller, Settlement, WorkConsumer } from '../ports/queue/work-consumer.ts';
import { inbox } from './connection/connection.ts';
import { NatsPuller, type PulledMessage, type PullWire } from './puller.ts';
import { type NatsTopology, PULL_GROUP } from './topology.ts';

const VERBS: Record<Settlement, Uint8Array> = {
  ack: Buffer.from('+ACK'),
  nak: Buffer.from('-NAK'),
  term: Buffer.from('+TERM'),
  progress: Buffer.from('+WPI'),
};

export class NatsWorkConsumer implements WorkConsumer {
  readonly #nc: NatsConnection;
  readonly #topology: NatsTopology;
  readonly #onUnhandled: (err: unknown) => void;
  readonly #pullers = new Set<NatsPuller>();
  /** Streams whose elections are listened to. */
  readonly #listened = new Set<string>();

  /** @param onUnhandled told what was thrown by whoever a delivery was handed to. */
  constructor(nc: NatsConnection, topology: NatsTopology, onUnhandled: (err: unknown) => void) {
    this.#nc = nc;
    this.#topology = topology;
    this.#onUnhandled = onUnhandled;
  }

  pull(key: WorkQueueKey, onDelivery: (delivery: Delivery) => void, onSurplus?: () => void): Puller {
    return this.#pull(workStream(key.region, key.shard), workConsumer(key), onDelivery, onSurplus);
  }

  pullBound(
    region: string,
    shard: number,
    worker: string,
    onDelivery: (delivery: Delivery) => void,
    onSurplus?: () => void,
  ): Puller {
    return this.#pull(workStream(region, shard), boundConsumer(worker), onDelivery, onSurplus);
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
      group: PULL_GROUP,
      onDelivery,
      onSurplus,
      onNobody: () => this.#topology.remakeConsumer(stream, consumer),
      onStopped: () => this.#pullers.delete(puller),
    });
    this.#pullers.add(puller);
    this.#listen(stream);
    return puller;
  }

  /**
   * The leader of a consumer that dies takes its pulls with it, and whoever is connected to another server hears nothing of it: its pulls
   * would be missed only after their time.
   */
  #listen(stream: string): void {
    if (this.#listened.has(stream) || this.#nc.isClosed()) return;
    this.#listened.add(stream);
    this.#nc.subscribe(`$JS.EVENT.ADVISORY.CONSUMER.LEADER_ELECTED.${stream}.*`, {
      callback: (err, { subject }) => {
        if (err !== null) return;
        const consumer = subject.slice(subject.lastIndexOf('.') + 1);
        for (const puller of this.#pullers) if (puller.isOn(stream, consumer)) puller.elected();
      },
    });
  }

  #wire(): PullWire {
    const nc = this.#nc;
    return {
      publish: (subject, payload, reply) => {
        if (!nc.isClosed()) nc.publish(subject, payload, reply ? { reply } : {});
      },
      subscribe: onMessage => {
        const own = inbox(nc, crypto.randomUUID().replaceAll('-', ''));
        const sub = nc.subscribe(own, {
          callback: (err, msg) => {
            if (err !== null) return;
            try {
              onMessage(toPulled(msg));
            } catch (thrown) {
              this.#onUnhandled(thrown);
            }
          },
        });
        return { inbox: own, drain: () => (nc.isClosed() ? Promise.resolve() : sub.drain()) };
      },
    };
  }

  isAckOf(address: QueueAddress, ackSubject: string): boolean {
    const read = readAckSubject(ackSubject);
    const { region, shard, worker } = address;
    if (read?.stream !== workStream(region, shard)) return false;
    return read.consumer === (worker === null ? workConsumer(address) : boundConsumer(worker));
  }

  settle(ackSubject: string, how: Settlement, delayMs?: number): void {
    if (this.#nc.isClosed()) return;
    const verb =
      how === 'nak' && delayMs ? Buffer.from(`-NAK {"delay":${Math.round(delayMs * 1e6)}}`) : VERBS[how];
    this.#nc.publish(ackSubject, verb);
  }

  /** The broker has forgotten every pull of the previous connection. */
  reconnected(): void {
    for (const puller of this.#pullers) puller.reconnected();
  }
}

function toPulled(msg: Msg): PulledMessage {
  const status = msg.data.length === 0 ? (msg.headers?.code ?? 0) : 0;
  return { subject: msg.subject, data: msg.data, reply: msg.reply ?? '', status };
}
