/** Projects and keys in Redis: a hash of each, a set of the keys of each project, and one counter of all changes. */
import {
  ACCESS_VERSION_KEY,
  KEY_USES_KEY,
  KEYS_KEY,
  type KeyRecord,
  keyListKey,
  PROJECTS_KEY,
  type Project,
  readKeyRecord,
  readProject,
} from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { ProjectRecords } from '../ports/project-records.ts';
import { dialRedis, isAnswering, type RedisOptions } from './connection/connection.ts';
import { RedisScripts } from './scripts.ts';

const SCRIPTS = ['access/put'] as const;

export class RedisProjectRecords implements ProjectRecords {
  readonly #redis: Redis;
  readonly #scripts: RedisScripts<(typeof SCRIPTS)[number]>;

  private constructor(redis: Redis) {
    this.#redis = redis;
    this.#scripts = new RedisScripts(redis, SCRIPTS);
  }

  /** @throws ConnectError when the first connection fails. */
  static async connect(options: RedisOptions): Promise<RedisProjectRecords> {
    return new RedisProjectRecords(await dialRedis(options, 'access'));
  }

  get connected(): boolean {
    return isAnswering(this.#redis);
  }

  async version(): Promise<number> {
    return Number(await this.#redis.get(ACCESS_VERSION_KEY));
  }

  async project(id: string): Promise<Project | null> {
    const text = await this.#redis.hget(PROJECTS_KEY, id);
    return text === null ? null : readProject(text);
  }

  async projects(): Promise<Project[]> {
    const texts = await this.#redis.hvals(PROJECTS_KEY);
    return byAge(texts.map(readProject));
  }

  putProject(project: Project): Promise<boolean> {
    return this.#put(PROJECTS_KEY, project, null);
  }

  async key(id: string): Promise<KeyRecord | null> {
    const text = await this.#redis.hget(KEYS_KEY, id);
    return text === null ? null : readKeyRecord(text);
  }

  async keys(project: string | null): Promise<KeyRecord[]> {
    const ids = await this.#redis.smembers(keyListKey(project));
    if (ids.length === 0) return [];
    const texts = await this.#redis.hmget(KEYS_KEY, ...ids);
    return byAge(texts.map(text => (text === null ? null : readKeyRecord(text))));
  }

  putKey(key: KeyRecord): Promise<boolean> {
    return this.#put(KEYS_KEY, key, keyListKey(key.project));
  }

  async removeKey({ id, project }: Pick<KeyRecord, 'id' | 'project'>): Promise<boolean> {
    const done = await this.#redis
      .multi()
      .hdel(KEYS_KEY, id)
      .srem(keyListKey(project), id)
      .hdel(KEY_USES_KEY, id)
      .incr(ACCESS_VERSION_KEY)
      .exec();
    const failed = done?.find(([err]) => err !== null)?.[0];
    if (done === null || done === undefined || failed) throw failed ?? new Error('the key was not removed');
    return done[0]?.[1] === 1;
  }

  async noteUses(uses: ReadonlyMap<string, number>): Promise<void> {
    if (uses.size > 0) await this.#redis.hset(KEY_USES_KEY, new Map(uses));
  }

  async uses(ids: readonly string[]): Promise<(number | null)[]> {
    if (ids.length === 0) return [];
    const found = await this.#redis.hmget(KEY_USES_KEY, ...ids);
    return found.map(text => (text === null ? null : Number(text)));
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }

  async #put(
    records: string,
    record: { readonly id: string; readonly revision: number },
    list: string | null,
  ): Promise<boolean> {
    const { id, revision } = record;
    const text = JSON.stringify(record);
    const keys = [records, ACCESS_VERSION_KEY, list ?? records];
    return (
      (await this.#scripts.run('access/put', ...keys, id, revision - 1, text, list === null ? 0 : 1)) === 1
    );
  }
}

function byAge<T extends { readonly id: string; readonly createdAt: number }>(
  records: readonly (T | null)[],
): T[] {
  const readable = records.filter(record => record !== null);
  return readable.sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
}
