import { setTimeout as sleep } from 'node:timers/promises';
import type { JetStreamManager } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import {
  boundFilter,
  DispatchError,
  deadSubject,
  type QueueAddress,
  subjectOf,
  workStream,
} from '@penstock/protocol';
import type { DeadReason, PublishOptions, WorkPublisher } from '../ports/queue/work-publisher.ts';
import { DEAD_LETTER_MESSAGE, DEAD_LETTER_REASON, headerText } from './dead-letters.ts';
import type { NatsRequests } from './requests.ts';

/** Past this the broker counts as unavailable: with a full disk it never sends a PubAck. */
const PUBLISH_TIMEOUT_MS = 1000;
/** How often a dead letter is written again when the broker does not confirm it, and the pause between, ms. */
const DEAD_TRIES = 10;
const DEAD_PAUSE_MS = 500;
/** JetStream's code for stream store failures (`maximum messages exceeded` and its kin). */
const STORE_FAILED = 10077;
const TOO_MANY_REQUESTS = 10167;

type PubAck = { readonly error?: { code: number; err_code?: number; description?: string } };

export class NatsWorkPublisher implements WorkPublisher {
  readonly #nc: NatsConnection;
  readonly #jsm: JetStreamManager;
  readonly #requests: NatsRequests;

  constructor(nc: NatsConnection, jsm: JetStreamManager, requests: NatsRequests) {
    this.#nc = nc;
    this.#jsm = jsm;
    this.#requests = requests;
  }

  async publish(address: QueueAddress, payload: Uint8Array, options: PublishOptions): Promise<void> {
    const subject = subjectOf(address);
    const first = await this.#tryPublish(subject, payload, options);
    if (first !== 'no_answer') return;
    // The PubAck may have been lost. The same id again is either stored, dropped as a duplicate, or refused by the
    // one-message-a-subject rule; the latter two mean that the first publish was stored.
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
    // The subject ends with the request's id: the message that is there is this request.
    if (/per subject/.test(description)) return 'stored';
    if (code === STORE_FAILED || code === TOO_MANY_REQUESTS) throw new DispatchError('queue_full');
    throw new DispatchError('broker_unavailable', { cause: new Error(description) });
  }

  purge(address: QueueAddress): void {
    this.#purge(streamOf(address), subjectOf(address));
  }

  purgeBound(region: string, shard: number, worker: string): void {
    this.#purge(workStream(region, shard), boundFilter(region, shard, worker));
  }

  #purge(stream: string, filter: string): void {
    if (this.#nc.isClosed()) return;
    this.#nc.publish(`$JS.API.STREAM.PURGE.${stream}`, Buffer.from(JSON.stringify({ filter })));
  }

  async clear(address: QueueAddress): Promise<void> {
    await this.#jsm.streams.purge(streamOf(address), { filter: subjectOf(address) });
  }

  async read(address: QueueAddress): Promise<Uint8Array | null> {
    const found = await this.#jsm.streams.getMessage(streamOf(address), { last_by_subj: subjectOf(address) });
    return found?.data ?? null;
  }

  async moveToDead(address: QueueAddress, { code, message }: DeadReason): Promise<void> {
    const data = await this.read(address);
    if (data === null) return;
    const to = deadSubject(address.region, address.slug, address.id);
    const h = headers();
    h.set(DEAD_LETTER_REASON, code);
    h.set(DEAD_LETTER_MESSAGE, headerText(message));
    for (let tries = 0; tries < DEAD_TRIES; tries++) {
      const reply = await this.#requests.ask(to, data, PUBLISH_TIMEOUT_MS, h);
      if (reply.kind === 'reply' && (JSON.parse(reply.msg.string()) as PubAck).error === undefined) return;
      await sleep(DEAD_PAUSE_MS);
    }
    throw new DispatchError('broker_unavailable');
  }
}

function streamOf({ region, shard }: QueueAddress): string {
  return workStream(region, shard);
}
