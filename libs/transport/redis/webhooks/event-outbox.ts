/**
 * The outbox of events: a Redis stream that is written by the same script that makes a run or a batch final, so that neither
 * happens without the other. Tasks processes read it as one consumer group, and take over what a dead one had taken.
 */
import { EVENT_OUTBOX_KEY, isEventType } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import { afterAwake } from '../../ports/awake-time.ts';
import type { EventOutbox, OutboxEvent } from '../../ports/webhooks/event-outbox.ts';
import { dialRedis, type RedisOptions } from '../connection/connection.ts';

const GROUP = 'webhooks';
const BATCH = 100;
/** An entry that has not been reported done for this long belongs to a dead process, ms. */
const ABANDONED_MS = 10_000;
/** A blocked read that takes this much longer than it asked to wait has a dead connection, ms. */
const SILENCE_SLACK_MS = 3000;
const FORGET_CONSUMER_MS = 3600_000;

type StreamEntry = [id: string, fields: string[] | null];

export class RedisEventOutbox implements EventOutbox {
  readonly #redis: Redis;
  readonly #consumer: string;
  readonly #abandonedMs: number;

  private constructor(redis: Redis, consumer: string, abandonedMs: number) {
    this.#redis = redis;
    this.#consumer = consumer;
    this.#abandonedMs = abandonedMs;
  }

  /** @param abandonedMs age at which another process takes over an entry that is not done. */
  static async connect(options: RedisOptions, abandonedMs = ABANDONED_MS): Promise<RedisEventOutbox> {
    const redis = await dialRedis(options, 'outbox', { blocks: true });
    const outbox = new RedisEventOutbox(redis, options.name, abandonedMs);
    await outbox.#ensureGroup();
    return outbox;
  }

  /** The group reads from the beginning of the stream: there may be events before the first reader. */
  async #ensureGroup(): Promise<void> {
    await this.#redis.xgroup('CREATE', EVENT_OUTBOX_KEY, GROUP, '0', 'MKSTREAM').catch((err: Error) => {
      if (!err.message.includes('BUSYGROUP')) throw err;
    });
  }

  async next(waitMs: number): Promise<OutboxEvent[]> {
    const callOff = afterAwake(waitMs + SILENCE_SLACK_MS, () => this.#redis.disconnect(true));
    try {
      const found = await this.#redis.xreadgroup(
        ...(['GROUP', GROUP, this.#consumer, 'COUNT', BATCH, 'BLOCK', waitMs] as const),
        ...(['STREAMS', EVENT_OUTBOX_KEY, '>'] as const),
      );
      return toEvents((found as [string, StreamEntry[]][] | null)?.[0]?.[1] ?? []);
    } catch (err) {
      // A Redis that lost its data has lost the group too.
      if ((err as Error).message.includes('NOGROUP')) await this.#ensureGroup();
      throw err;
    } finally {
      callOff();
    }
  }

  async abandoned(): Promise<OutboxEvent[]> {
    const [, entries] = (await this.#redis.xautoclaim(
      ...([EVENT_OUTBOX_KEY, GROUP, this.#consumer, this.#abandonedMs, '0-0', 'COUNT', BATCH] as const),
    )) as [string, StreamEntry[]];
    await this.#forgetConsumers();
    return toEvents(entries);
  }

  /** Deletes the names of processes that are long gone and have taken nothing. */
  async #forgetConsumers(): Promise<void> {
    const consumers = (await this.#redis.xinfo('CONSUMERS', EVENT_OUTBOX_KEY, GROUP)) as (
      | string
      | number
    )[][];
    for (const flat of consumers) {
      const about = new Map(flat.map((value, i) => [value, flat[i + 1]]));
      if (about.get('pending') === 0 && Number(about.get('idle')) > FORGET_CONSUMER_MS)
        await this.#redis.xgroup('DELCONSUMER', EVENT_OUTBOX_KEY, GROUP, String(about.get('name')));
    }
  }

  async done(entries: readonly string[]): Promise<void> {
    if (entries.length === 0) return;
    await this.#redis
      .multi()
      .xack(EVENT_OUTBOX_KEY, GROUP, ...entries)
      .xdel(EVENT_OUTBOX_KEY, ...entries)
      .exec();
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}

function toEvents(entries: readonly StreamEntry[]): OutboxEvent[] {
  return entries.map(([entry, flat]) => {
    const field = (name: string) => flat?.[flat.indexOf(name) + 1] ?? '';
    const type = field('type');
    const at = Number(entry.split('-')[0]);
    return {
      entry,
      tenant: field('tenant'),
      type: isEventType(type) ? type : null,
      resource: field('resource'),
      at,
    };
  });
}
