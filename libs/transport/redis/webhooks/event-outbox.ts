/**
 * The outbox of events: a Redis stream written by the very script that makes a run or a batch final, so that no process
 * can die between the two. Tasks processes read it as one consumer group; what a dead one had taken is taken over.
 */
import { EVENT_OUTBOX_KEY, isEventType, RUN_DEADLINES_KEY, WEBHOOK_LIST_PREFIX } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { EventOutbox, OutboxEvent } from '../../ports/webhooks/event-outbox.ts';
import { openRedis, type RedisOptions } from '../connection.ts';

const GROUP = 'webhooks';
const BATCH = 100;
/** An entry not done with for this long belongs to a dead process, ms. */
const ABANDONED_MS = 10_000;
/** A blocked read that is silent for longer than it asked to wait sits on a dead connection, ms. */
const SILENCE_SLACK_MS = 3000;
const FORGET_CONSUMER_MS = 3600_000;

/** Lua: nothing is written for tenants without endpoints. */
const ADD = `
local function add_event(tenant,type,resource)
  if redis.call('EXISTS','${WEBHOOK_LIST_PREFIX}'..tenant)==0 then return end
  redis.call('XADD','${EVENT_OUTBOX_KEY}','*','tenant',tenant,'type',type,'resource',resource)
end`;

/**
 * Lua to begin a script with: \`tell_run(key, status, code)\` says that the run under the key became final. Answers
 * that are errors count as failed. Lines of batches are told by their batch.
 */
export const TELL_RUN = `${ADD}
local function tell_run(key,status,code)
  local r=redis.call('HMGET',key,'kind','tenant')
  if not r[2] or (r[1]~='job' and r[1]~='response' and r[1]~='completion') then return end
  local id=string.match(key,'[^:]+$')
  redis.call('ZREM','${RUN_DEADLINES_KEY}',id)
  if status=='completed' and tonumber(code)>=400 then status='failed' end
  if r[1]~='response' then
    if status=='incomplete' then status='completed' end
    if r[1]=='completion' then id='chatcmpl-'..id end
    return add_event(r[2],'job.'..status,id)
  end
  add_event(r[2],'response.'..status,'resp_'..id)
end`;

/** Lua to begin a script with: \`watch_deadline(key)\`, where the run under the key has just been queued. */
export const WATCH_DEADLINE = `
local function watch_deadline(key)
  local r=redis.call('HMGET',key,'kind','tenant','deadlineAt')
  if not r[2] or (r[1]~='job' and r[1]~='response' and r[1]~='completion') then return end
  if redis.call('EXISTS','${WEBHOOK_LIST_PREFIX}'..r[2])==0 then return end
  redis.call('ZADD','${RUN_DEADLINES_KEY}',r[3],string.match(key,'[^:]+$'))
end`;

/** Lua to begin a script with: \`tell_batch(key, status)\`, where the batch under the key became final. */
export const TELL_BATCH = `${ADD}
local function tell_batch(key,status)
  local tenant=redis.call('HGET',key,'tenant')
  if tenant then add_event(cjson.decode(tenant),'batch.'..status,string.match(key,'[^:]+$')) end
end`;

type Entry = [id: string, fields: string[] | null];

export class RedisEventOutbox implements EventOutbox {
  readonly #redis: Redis;
  readonly #consumer: string;
  readonly #abandonedMs: number;

  private constructor(redis: Redis, consumer: string, abandonedMs: number) {
    this.#redis = redis;
    this.#consumer = consumer;
    this.#abandonedMs = abandonedMs;
  }

  /** @param abandonedMs how long an entry may be in somebody's hands before another may take it over. */
  static async connect(options: RedisOptions, abandonedMs = ABANDONED_MS): Promise<RedisEventOutbox> {
    const redis = openRedis(options, 'outbox');
    await redis.connect();
    const outbox = new RedisEventOutbox(redis, options.name, abandonedMs);
    await outbox.#ensureGroup();
    return outbox;
  }

  /** From the beginning of the stream: events may have come before the first reader. */
  async #ensureGroup(): Promise<void> {
    await this.#redis.xgroup('CREATE', EVENT_OUTBOX_KEY, GROUP, '0', 'MKSTREAM').catch((err: Error) => {
      if (!err.message.includes('BUSYGROUP')) throw err;
    });
  }

  async next(waitMs: number): Promise<OutboxEvent[]> {
    const watchdog = setTimeout(() => this.#redis.disconnect(true), waitMs + SILENCE_SLACK_MS);
    try {
      const found = await this.#redis.xreadgroup(
        ...(['GROUP', GROUP, this.#consumer, 'COUNT', BATCH, 'BLOCK', waitMs] as const),
        ...(['STREAMS', EVENT_OUTBOX_KEY, '>'] as const),
      );
      return toEvents((found as [string, Entry[]][] | null)?.[0]?.[1] ?? []);
    } catch (err) {
      // A Redis that lost its data has lost the group too.
      if ((err as Error).message.includes('NOGROUP')) await this.#ensureGroup();
      throw err;
    } finally {
      clearTimeout(watchdog);
    }
  }

  async abandoned(): Promise<OutboxEvent[]> {
    const [, entries] = (await this.#redis.xautoclaim(
      ...([EVENT_OUTBOX_KEY, GROUP, this.#consumer, this.#abandonedMs, '0-0', 'COUNT', BATCH] as const),
    )) as [string, Entry[]];
    await this.#forgetConsumers();
    return toEvents(entries);
  }

  /** Names of processes long gone, with nothing left in their hands. */
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

function toEvents(entries: readonly Entry[]): OutboxEvent[] {
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
