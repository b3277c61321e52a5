/** What waits in the streams of a region, and how full they are. Reads what the broker knows, and nothing of dispatch. */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { deadStream, readWorkFilter, workFilter, workStream } from '@penstock/protocol';
import type { QueueSurvey, SurveyedQueue, SurveyedStream } from '../ports/region-survey.ts';
import { dialBroker, type NatsOptions } from './connection/connection.ts';

/** Oldest messages looked at in one survey, those of the longest queues: each comes with its body. */
const MOST_OLDEST = 16;

interface Region {
  readonly region: string;
  readonly shards: number;
}

interface Found extends SurveyedQueue {
  /** Of the stream: what comes after it has not been delivered. */
  readonly deliveredSeq: number;
}

export class NatsQueueSurvey implements QueueSurvey {
  readonly #nc: NatsConnection;
  readonly #jsm: JetStreamManager;
  readonly #region: string;
  readonly #shards: number;

  private constructor(nc: NatsConnection, jsm: JetStreamManager, { region, shards }: Region) {
    this.#nc = nc;
    this.#jsm = jsm;
    this.#region = region;
    this.#shards = shards;
  }

  /** @throws ConnectError when the first connection fails or the server cannot be used. */
  static async connect(options: NatsOptions, region: Region): Promise<NatsQueueSurvey> {
    const { nc, jsm } = await dialBroker(options);
    return new NatsQueueSurvey(nc, jsm, region);
  }

  async look(): ReturnType<QueueSurvey['look']> {
    const streams: SurveyedStream[] = [];
    const found: Found[] = [];
    for (let shard = 0; shard < this.#shards; shard++) {
      const { config, state } = await this.#jsm.streams.info(workStream(this.#region, shard));
      streams.push({
        ...{ shard, messages: state.messages, bytes: state.bytes },
        ...{ mostMessages: config.max_msgs, mostBytes: config.max_bytes },
      });
      found.push(...(await this.#queuesOf(shard)));
    }
    found.sort((a, b) => b.waiting - a.waiting);
    const queues: SurveyedQueue[] = [];
    for (const [i, { deliveredSeq, ...queue }] of found.entries()) {
      const isLookedAt = i < MOST_OLDEST && queue.waiting > 0;
      queues.push({ ...queue, oldestAt: isLookedAt ? await this.#oldestAt(queue, deliveredSeq) : null });
    }
    const dead = await this.#jsm.streams.info(deadStream(this.#region));
    return { queues, streams, deadLetters: dead.state.messages };
  }

  async #queuesOf(shard: number): Promise<Found[]> {
    const found: Found[] = [];
    for await (const info of this.#jsm.consumers.list(workStream(this.#region, shard))) {
      const key = readWorkFilter(info.config.filter_subject ?? '');
      // Those of single workers hold what is bound to them, for a quarter of a second.
      if (key === null) continue;
      const { slug, lane, size } = key;
      const { num_pending: waiting, num_ack_pending: delivered } = info;
      found.push({
        ...{ shard, slug, lane, size, waiting, delivered, oldestAt: null },
        deliveredSeq: info.delivered.stream_seq,
      });
    }
    return found;
  }

  async #oldestAt(queue: SurveyedQueue, deliveredSeq: number): Promise<number | null> {
    const { shard } = queue;
    const filter = workFilter({ ...queue, region: this.#region });
    const next = { seq: deliveredSeq + 1, next_by_subj: filter };
    // It may have been delivered meanwhile.
    const message = await this.#jsm.streams
      .getMessage(workStream(this.#region, shard), next as never)
      .catch(() => null);
    return message?.time.getTime() ?? null;
  }

  async close(): Promise<void> {
    await this.#nc.close();
  }
}
