/** The dead-letter stream of a region, for an operator. Listing reads headers only, not bodies. */
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { deadFilters, deadStream, readDeadSubject } from '@penstock/protocol';
import { ConnectError } from '../ports/connect-error.ts';
import type { DeadLetter, DeadLetters } from '../ports/queue/dead-letters.ts';
import { dial, type NatsOptions } from './connection/connection.ts';

/** Header that says why the request failed. */
export const DEAD_LETTER_REASON = 'Penstock-Reason';
/** Header with the message of the last failure. */
export const DEAD_LETTER_MESSAGE = 'Penstock-Message';
const MAX_MESSAGE = 500;
const PAGE = 500;
const PAGE_LIMIT_MS = 5000;
/** JetStream's code for a message that is not there. */
const NO_MESSAGE = 10037;

export class NatsDeadLetters implements DeadLetters {
  readonly #nc: NatsConnection;
  readonly #jsm: JetStreamManager;
  readonly #region: string;

  private constructor(nc: NatsConnection, jsm: JetStreamManager, region: string) {
    this.#nc = nc;
    this.#jsm = jsm;
    this.#region = region;
  }

  /** @throws ConnectError when no server answers, or it knows no such region. */
  static async connect(options: NatsOptions, region: string): Promise<NatsDeadLetters> {
    const nc = await dial(options);
    try {
      const jsm = await jetstreamManager(nc);
      await jsm.streams.info(deadStream(region));
      return new NatsDeadLetters(nc, jsm, region);
    } catch {
      await nc.close();
      throw new ConnectError(
        `nats-server has no stream ${deadStream(region)}: an ingress of the region makes it, so check PENSTOCK_REGION`,
      );
    }
  }

  async list(): Promise<DeadLetter[]> {
    const letters = new Map<string, DeadLetter>();
    const stream = deadStream(this.#region);
    let left = (await this.#jsm.streams.info(stream)).state.messages;
    const consumer = await jetstream(this.#nc).consumers.get(stream, { headers_only: true });
    while (left > 0) {
      let got = 0;
      for await (const msg of await consumer.fetch({ max_messages: PAGE, expires: PAGE_LIMIT_MS })) {
        got++;
        left = msg.info.pending;
        const bytes = Number(msg.headers?.get('Nats-Msg-Size') ?? 0);
        // A request that failed twice is listed once, with its last failure.
        letters.set(msg.subject, toLetter(msg.subject, msg.headers, msg.time, bytes));
        if (left === 0) break;
      }
      if (got === 0) break;
    }
    return [...letters.values()];
  }

  async get(id: string): Promise<{ letter: DeadLetter; data: Uint8Array } | null> {
    for (const filter of deadFilters(this.#region, id)) {
      const msg = await this.#last(filter);
      if (msg !== null)
        return { letter: toLetter(msg.subject, msg.header, msg.time, msg.data.length), data: msg.data };
    }
    return null;
  }

  #last(filter: string) {
    return this.#jsm.streams
      .getMessage(deadStream(this.#region), { last_by_subj: filter })
      .catch((err: { code?: number }) => {
        if (err.code === NO_MESSAGE) return null;
        throw err;
      });
  }

  async drop(letter: DeadLetter): Promise<void> {
    await this.#jsm.streams.purge(deadStream(this.#region), { filter: letter.subject });
  }

  async close(): Promise<void> {
    await this.#nc.close();
  }
}

/** As much of a text as a header takes: one line. */
export function headerText(text: string): string {
  return text.replaceAll(/[\p{Cc}\s]+/gu, ' ').slice(0, MAX_MESSAGE);
}

function toLetter(subject: string, headers: MsgHdrs | undefined, at: Date, bytes: number): DeadLetter {
  return {
    ...readDeadSubject(subject),
    subject,
    reason: headers?.get(DEAD_LETTER_REASON) || 'unknown',
    message: headers?.get(DEAD_LETTER_MESSAGE) ?? '',
    diedAt: at.getTime(),
    bytes,
  };
}
