import { setTimeout as sleep } from 'node:timers/promises';
import type { JetStreamManager } from '@nats-io/jetstream';
import { headers, type Msg, type NatsConnection, nuid } from '@nats-io/transport-node';
import {
  boundFilter,
  DispatchError,
  deadFilterOf,
  deadFilters,
  deadStream,
  probeSubject,
  type QueueAddress,
  subjectOf,
  workStream,
} from '@penstock/protocol';
import { asDeadLetter } from '../ports/queue/dead-letter.ts';
import type {
  DeadKeeping,
  DeadOf,
  DeadReason,
  PublishOptions,
  WorkPublisher,
} from '../ports/queue/work-publisher.ts';
import { DEAD_LETTER_MESSAGE, DEAD_LETTER_REASON, headerText } from './dead-letters.ts';
import { HOLD_MS, type ProbeOutcome, StreamOutage } from './outage.ts';
import type { NatsRequests } from './requests.ts';

/** What is not answered by then is published again: with the same id, so it is stored once. */
const PUBLISH_TIMEOUT_MS = 1000;
const PROBE_TIMEOUT_MS = 300;
/** How often a dead letter is written again when the broker does not confirm it, and the pause between, ms. */
const DEAD_TRIES = 10;
const DEAD_PAUSE_MS = 500;
/** JetStream's code for stream store failures: `maximum messages exceeded` and its kin, but also what a full disk says. */
const STORE_FAILED = 10077;
const TOO_MANY_REQUESTS = 10167;
/** JetStream's code for a repeated publish while the first is being stored. */
const IN_PROCESS = 10158;
const NO_STREAM = 10059;
const NO_LEADER =
  'nobody leads the queue: too few servers of the NATS cluster are there, or JetStream is off';
/** Of the errors that a publish may get, those that no other leader makes good. */
const NO_ROOM = /no space left|insufficient/;
/** With a full disk nats-server answers everything but a publish, also when there is room again. */
const NOT_STORED =
  'nats-server answers and stores nothing: its disk is or was full; make room, then restart it';
/** One that is only slow stores a probe by then. */
const NOT_STORED_MS = 4000;

type StreamInfo = PubAck & { readonly cluster?: { readonly leader?: string } };
type PubAck = { readonly error?: { code: number; err_code?: number; description?: string } };

/** `away`: it may be stored or not, and has to be published again. */
type Outcome =
  | { readonly kind: 'stored' }
  | { readonly kind: 'full' }
  | { readonly kind: 'away'; readonly why: string; readonly patienceMs: number };

export interface PublisherOptions {
  /** Makes a stream again that the broker has lost. */
  readonly remakeStream: (stream: string) => void;
  /** Told why a stream takes nothing any more, and when it does again (null). */
  readonly onTrouble?: ((stream: string, why: string | null) => void) | undefined;
}

export class NatsWorkPublisher implements WorkPublisher {
  readonly #nc: NatsConnection;
  readonly #jsm: JetStreamManager;
  readonly #requests: NatsRequests;
  readonly #o: PublisherOptions;
  /** By stream. */
  readonly #outages = new Map<string, StreamOutage>();

  constructor(nc: NatsConnection, jsm: JetStreamManager, requests: NatsRequests, options: PublisherOptions) {
    this.#nc = nc;
    this.#jsm = jsm;
    this.#requests = requests;
    this.#o = options;
  }

  get unavailable(): string | null {
    for (const { why } of this.#outages.values()) if (why !== null) return why;
    return null;
  }

  /** No more is held. */
  close(): void {
    for (const outage of this.#outages.values()) outage.stop();
  }

  async publish(address: QueueAddress, payload: Uint8Array, options: PublishOptions): Promise<void> {
    const subject = subjectOf(address);
    const outage = this.#outageOf(address);
    const until = performance.now() + Math.min(HOLD_MS, options.holdMs ?? options.ttlMs);
    do {
      if (!(await outage.whenFine(payload.length, until - performance.now()))) break;
      const outcome = await this.#tryPublish(subject, payload, options);
      if (outcome.kind === 'stored') return;
      if (outcome.kind === 'full') throw new DispatchError('queue_full');
      outage.begin(outcome.why, outcome.patienceMs);
      // The PubAck may have been lost. The same id again is either stored, dropped as a duplicate, or refused by the
      // one-message-a-subject rule; the latter two mean that the first publish was stored.
    } while (performance.now() < until);
    throw new DispatchError('broker_unavailable');
  }

  #outageOf(address: QueueAddress): StreamOutage {
    const stream = streamOf(address);
    const known = this.#outages.get(stream);
    if (known !== undefined) return known;
    const outage = new StreamOutage({
      probe: () => this.#probe(address),
      onChange: why => this.#o.onTrouble?.(stream, why),
    });
    this.#outages.set(stream, outage);
    return outage;
  }

  /** Writes a message that no consumer takes, and that is gone after a second. */
  async #probe({ region, shard }: QueueAddress): Promise<ProbeOutcome> {
    const stream = workStream(region, shard);
    const messageId = nuid.next();
    const outcome = await this.#tryPublish(probeSubject(region, shard, messageId), Buffer.alloc(0), {
      ...{ messageId, ttlMs: PROBE_TIMEOUT_MS },
      timeoutMs: PROBE_TIMEOUT_MS,
    });
    if (outcome.kind !== 'away') return { kind: 'fine' };
    if (outcome.patienceMs === 0) return outcome;
    // While a leader is elected, others that keep the stream answer without naming one.
    const info = await this.#requests.ask(`$JS.API.STREAM.INFO.${stream}`, Buffer.alloc(0), PROBE_TIMEOUT_MS);
    if (info.kind !== 'reply') return outcome;
    const { error, cluster } = readAck(info.msg) as StreamInfo;
    if (cluster?.leader) return { ...outcome, why: NOT_STORED, patienceMs: NOT_STORED_MS };
    if (error?.err_code !== NO_STREAM) return outcome;
    this.#o.remakeStream(stream);
    return { ...outcome, why: `nats-server has no stream ${stream}: an ingress of the region makes it` };
  }

  async #tryPublish(
    subject: string,
    payload: Uint8Array,
    options: PublishOptions & { readonly timeoutMs?: number },
  ): Promise<Outcome> {
    const h = headers();
    h.set('Nats-Msg-Id', options.messageId);
    h.set('Nats-TTL', `${Math.max(1, Math.ceil(options.ttlMs / 1000))}s`);
    const reply = await this.#requests.ask(subject, payload, options.timeoutMs ?? PUBLISH_TIMEOUT_MS, h);
    if (reply.kind !== 'reply') return { kind: 'away', why: NO_LEADER, patienceMs: HOLD_MS };
    const { error } = readAck(reply.msg);
    if (error === undefined) return { kind: 'stored' };
    const { err_code: code, description = '' } = error;
    // The subject ends with the request's id: the message that is there is this request.
    if (/per subject/.test(description)) return { kind: 'stored' };
    const isFull = code === STORE_FAILED && /^maximum /.test(description);
    if (isFull || code === TOO_MANY_REQUESTS) return { kind: 'full' };
    // Of two publishes of one request, the first is not through yet.
    if (code === IN_PROCESS) return { kind: 'away', why: NO_LEADER, patienceMs: HOLD_MS };
    const patienceMs = NO_ROOM.test(description) ? 0 : HOLD_MS;
    return { kind: 'away', why: `nats-server cannot store messages: ${description}`, patienceMs };
  }

  purge(address: QueueAddress): void {
    // A broker that is away keeps it: whoever gets it asks first.
    this.clear(address).catch(() => {});
  }

  purgeBound(region: string, shard: number, worker: string): void {
    this.#purge(workStream(region, shard), boundFilter(region, shard, worker));
  }

  /** For all that one consumer delivers, and nothing less: see {@link clear}. */
  #purge(stream: string, filter: string): void {
    if (this.#nc.isClosed()) return;
    this.#nc.publish(`$JS.API.STREAM.PURGE.${stream}`, Buffer.from(JSON.stringify({ filter })));
  }

  /**
   * Deletes the message by its sequence. Purging its subject would do harm to others: a nats-server then takes what was delivered before the
   * purged message for acked as soon as what was delivered after it is, and forgets what waits for redelivery, so a request that is
   * handed back later is in the stream and delivered to nobody.
   */
  async clear(address: QueueAddress): Promise<void> {
    const seq = await this.#seqAt(address);
    if (seq === null) return;
    try {
      await this.#jsm.streams.deleteMessage(streamOf(address), seq, false);
    } catch (err) {
      // It may have been acked meanwhile.
      if ((await this.#seqAt(address)) === seq) throw err;
    }
  }

  async #seqAt(address: QueueAddress): Promise<number | null> {
    return (await this.#stored(address))?.seq ?? null;
  }

  async read(address: QueueAddress): Promise<Uint8Array | null> {
    return (await this.#stored(address))?.data ?? null;
  }

  #stored(address: QueueAddress) {
    return this.#jsm.streams
      .getMessage(streamOf(address), { last_by_subj: subjectOf(address) })
      .catch((err: { code?: number }) => {
        // A broker that has lost its disk has no stream until somebody makes it again.
        if (err.code === NO_STREAM) return null;
        throw err;
      });
  }

  async moveToDead(
    address: QueueAddress,
    { code, message }: DeadReason,
    keeping?: DeadKeeping,
  ): Promise<void> {
    const read = await this.read(address);
    if (read === null) return;
    const { subject: to, data, ...kept } = await asDeadLetter(address, message, read, keeping);
    const h = headers();
    h.set(DEAD_LETTER_REASON, code);
    h.set(DEAD_LETTER_MESSAGE, headerText(kept.message));
    for (let tries = 0; tries < DEAD_TRIES; tries++) {
      const reply = await this.#requests.ask(to, data, PUBLISH_TIMEOUT_MS, h);
      if (reply.kind === 'reply' && readAck(reply.msg).error === undefined) {
        if (kept.discarded !== null) await keeping?.discard(kept.discarded);
        return;
      }
      await sleep(DEAD_PAUSE_MS);
    }
    throw new DispatchError('broker_unavailable');
  }

  async dropDead(region: string, of: DeadOf): Promise<void> {
    const filters = 'id' in of ? deadFilters(region, of.id) : [deadFilterOf(region, of.partOf)];
    try {
      for (const filter of filters) await this.#jsm.streams.purge(deadStream(region), { filter });
    } catch (err) {
      throw new DispatchError('broker_unavailable', { cause: err });
    }
  }
}

function streamOf({ region, shard }: QueueAddress): string {
  return workStream(region, shard);
}

/** What is no JSON is no answer of a nats-server that we know: as if it were an error. */
function readAck(msg: Msg): PubAck {
  try {
    return JSON.parse(msg.string()) as PubAck;
  } catch {
    return { error: { code: 500, description: 'an answer that is no JSON' } };
  }
}
