/** Wrapped data keys in Redis: a hash for each project, and a set of the projects that have one. */
import { DATA_KEY_PROJECTS_KEY, dataKeysKey } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { DataKeyRecords, WrappedKey } from '../../ports/sealing/data-key-records.ts';
import { dialRedis, type RedisOptions } from '../connection/connection.ts';
import { RedisScripts } from '../scripts.ts';

const SCRIPTS = ['data-keys/rewrap'] as const;

export class RedisDataKeys implements DataKeyRecords {
  readonly #redis: Redis;
  readonly #scripts: RedisScripts<(typeof SCRIPTS)[number]>;

  private constructor(redis: Redis) {
    this.#redis = redis;
    this.#scripts = new RedisScripts(redis, SCRIPTS);
  }

  /** @throws ConnectError when the first connection fails. */
  static async connect(options: RedisOptions): Promise<RedisDataKeys> {
    return new RedisDataKeys(await dialRedis(options, 'data-keys'));
  }

  async ofDay(project: string, day: string): Promise<WrappedKey | null> {
    const text = await this.#redis.hget(dataKeysKey(project), day);
    return text === null ? null : (JSON.parse(text) as WrappedKey);
  }

  async keep(project: string, day: string, key: WrappedKey): Promise<WrappedKey> {
    const name = dataKeysKey(project);
    const done = await this.#redis
      .multi()
      .sadd(DATA_KEY_PROJECTS_KEY, project)
      .hsetnx(name, day, JSON.stringify(key))
      .hget(name, day)
      .exec();
    const [err, text] = done?.at(-1) ?? [new Error('the data key was not kept')];
    if (err !== null) throw err;
    return JSON.parse(String(text)) as WrappedKey;
  }

  async rewrap(project: string, day: string, key: WrappedKey, before: string): Promise<boolean> {
    const was = JSON.stringify({ ...key, wrapped: before });
    const args = [dataKeysKey(project), day, was, JSON.stringify(key)];
    return (await this.#scripts.run('data-keys/rewrap', ...args)) === 1;
  }

  async *all(project: string | null) {
    const projects = project === null ? await this.#redis.smembers(DATA_KEY_PROJECTS_KEY) : [project];
    for (const each of projects.sort()) {
      const days = await this.#redis.hgetall(dataKeysKey(each));
      for (const day of Object.keys(days).sort())
        yield { project: each, day, key: JSON.parse(days[day] ?? '') as WrappedKey };
    }
  }

  async erase(project: string): Promise<number> {
    const name = dataKeysKey(project);
    const many = await this.#redis.hlen(name);
    await this.#redis.multi().del(name).srem(DATA_KEY_PROJECTS_KEY, project).exec();
    return many;
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}
