/** What operators see of limits, in Redis. */
import {
  BACKLOG_BYTES_KEY,
  backlogKey,
  type FileRecord,
  fileKey,
  fileListKey,
  fileUseKey,
  LIMITED_PROJECTS_KEY,
  limitRefusalsKey,
  openBatchesKey,
  webhookListKey,
} from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { LimitNotes, LimitUseRecords, ResourceUse } from '../../ports/limits/limit-use.ts';
import { dialRedis, isAnswering, type RedisOptions } from '../connection/connection.ts';

const MOST_PROJECTS = 10_000;
const SEEN_LIFE_S = 30 * 86_400;
/** A day is looked at until it is over by every clock. */
const REFUSALS_LIFE_S = 2 * 86_400;
/** How long the scripts that count remember what ended without a word: scripts/include/open_batches.lua, backlog.lua. */
const OPEN_GRACE_S = 86_400;
const BACKLOG_GRACE_S = 3600;
const CHUNK = 1000;

export class RedisLimitUse implements LimitUseRecords {
  readonly #redis: Redis;

  private constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** @throws ConnectError when the first connection fails. */
  static async connect(options: RedisOptions): Promise<RedisLimitUse> {
    return new RedisLimitUse(await dialRedis(options, 'limit-use'));
  }

  get connected(): boolean {
    return isAnswering(this.#redis);
  }

  async note({ seen, refusals }: LimitNotes, now: number): Promise<void> {
    const nowS = Math.floor(now / 1000);
    const pipeline = this.#redis.pipeline();
    if (seen.length > 0) {
      pipeline.zadd(LIMITED_PROJECTS_KEY, ...seen.flatMap(project => [nowS, project]));
      pipeline.zremrangebyscore(LIMITED_PROJECTS_KEY, '-inf', nowS - SEEN_LIFE_S);
      pipeline.zremrangebyrank(LIMITED_PROJECTS_KEY, 0, -1 - MOST_PROJECTS);
    }
    for (const { project, limit, count } of refusals) {
      const key = limitRefusalsKey(project, dayOf(now));
      pipeline.hincrby(key, limit, count).expire(key, REFUSALS_LIFE_S);
    }
    await pipeline.exec();
  }

  latest(most: number): Promise<string[]> {
    return this.#redis.zrevrange(LIMITED_PROJECTS_KEY, 0, most - 1);
  }

  /** By plain commands: who may only read can run no script. */
  resources(projects: readonly string[], now: number): Promise<ResourceUse[]> {
    return Promise.all(projects.map(project => this.#resourcesOf(project, Math.floor(now / 1000))));
  }

  refusals(projects: readonly string[], now: number): Promise<Record<string, number>[]> {
    return Promise.all(
      projects.map(async project => {
        const counts = await this.#redis.hgetall(limitRefusalsKey(project, dayOf(now)));
        return Object.fromEntries(Object.entries(counts).map(([limit, count]) => [limit, Number(count)]));
      }),
    );
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }

  async #resourcesOf(project: string, nowS: number): Promise<ResourceUse> {
    const backlog = backlogKey(`t:${project}`);
    const [kept, files, open, endpoints, queued, queuedBytes] = await Promise.all([
      this.#redis.hmget(fileUseKey(project), 'files', 'bytes'),
      this.#redis.zcard(fileListKey(project)),
      this.#redis.zcount(openBatchesKey(project), nowS - OPEN_GRACE_S, '+inf'),
      this.#redis.zcard(webhookListKey(project)),
      this.#redis.zcount(backlog, 1000 * (nowS - BACKLOG_GRACE_S), '+inf'),
      this.#redis.hget(BACKLOG_BYTES_KEY, `t:${project}`),
    ]);
    const isCounted = Number(kept[0]) === files;
    return {
      ...{ max_files: files, max_open_batches: open, max_webhook_endpoints: endpoints },
      max_stored_bytes: isCounted ? Number(kept[1]) : await this.#bytesOf(project),
      ...{ max_queued_requests: queued, max_queued_bytes: queued === 0 ? 0 : Number(queuedBytes) },
    };
  }

  /** As scripts/include/file_use.lua counts them where a version before has added or removed some. */
  async #bytesOf(project: string): Promise<number> {
    const ids = await this.#redis.zrange(fileListKey(project), 0, '-1');
    let bytes = 0;
    for (let from = 0; from < ids.length; from += CHUNK) {
      const texts = await this.#redis.mget(ids.slice(from, from + CHUNK).map(fileKey));
      for (const text of texts) if (text !== null) bytes += (JSON.parse(text) as FileRecord).bytes;
    }
    return bytes;
  }
}

/** Of UTC, as `2027-01-31`. @param now Unix ms. */
function dayOf(now: number): string {
  return new Date(now).toISOString().slice(0, 10);
}
