/** Names and settings of the processes of a region: a key for each name that is held, and one hash of settings. */
import { nodeNameKey, settingsKey } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { NameHolder, OtherSetting, RegionNodes } from '../ports/region-nodes.ts';
import { connectRedis, type RedisOptions } from './connection/connection.ts';
import { RedisScripts } from './scripts.ts';

const SCRIPTS = ['nodes/hold', 'nodes/let-go', 'nodes/compare'] as const;

export class RedisRegionNodes implements RegionNodes {
  readonly #scripts: RedisScripts<(typeof SCRIPTS)[number]>;

  /** @param redis an open connection, which may be shared. */
  constructor(redis: Redis) {
    this.#scripts = new RedisScripts(redis, SCRIPTS);
  }

  /** With a connection of its own. @throws ConnectError when the first connection fails. */
  static async connect(options: RedisOptions): Promise<RedisRegionNodes & { close(): Promise<void> }> {
    const redis = await connectRedis(options, 'nodes');
    return Object.assign(new RedisRegionNodes(redis), { close: async () => redis.disconnect() });
  }

  async hold(name: string, holder: NameHolder, ttlMs: number, instead = ''): Promise<NameHolder | null> {
    const { nonce } = holder;
    const held = (await this.#scripts.run(
      'nodes/hold',
      nodeNameKey(name),
      ...[nonce, JSON.stringify(holder), ttlMs, instead],
    )) as string;
    return held === '' ? null : (JSON.parse(held) as NameHolder);
  }

  async letGo(name: string, nonce: string): Promise<void> {
    await this.#scripts.run('nodes/let-go', nodeNameKey(name), nonce);
  }

  async compare(
    by: string,
    settings: Readonly<Record<string, string>>,
    ttlMs: number,
  ): Promise<OtherSetting[]> {
    const pairs = Object.entries(settings).flat();
    const others = (await this.#scripts.run('nodes/compare', settingsKey(), by, ttlMs, ...pairs)) as string[];
    return others.map(other => JSON.parse(other) as OtherSetting);
  }
}
