/** The reply bus, the model registry and the placement store on Redis. */
import { modelRegistryKey, placementKey, replyChannel, replyLog } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import { ConnectError } from '../ports/connect-error.ts';
import type { ModelRegistry } from '../ports/model-registry.ts';
import type { PlacementStore, PrefixOwners } from '../ports/placement-store.ts';
import type { ReplyBus } from '../ports/reply-bus.ts';
import { openRedis, type RedisOptions } from './connection.ts';
import { ReplyListener } from './reply-listener.ts';
import { RedisScripts } from './scripts.ts';

/** How far back the log of an ingress reaches, ms. It has to outlast a reconnect. */
const LOG_WINDOW_MS = 15_000;
/** A log nobody appends to is forgotten after this. */
const LOG_EXPIRE_MS = 60_000;
/** A prefix nobody asked for in this long is forgotten, s. 95 % of follow-ups come within ten minutes (Mooncake trace). */
const PLACEMENT_TTL_S = 600;
/** A request does not wait longer than this for a hint, ms. */
const LOOKUP_LIMIT_MS = 50;

export class RedisReplyBus implements ReplyBus, ModelRegistry, PlacementStore {
  readonly #commands: Redis;
  readonly #scripts: RedisScripts<'replies/publish'>;
  readonly #options: RedisOptions;
  #listener: ReplyListener | null = null;
  #pendingBytes = 0;

  private constructor(options: RedisOptions) {
    this.#options = options;
    this.#commands = openRedis(options, 'cmd');
    this.#scripts = new RedisScripts(this.#commands, ['replies/publish']);
  }

  /** @throws ConnectError when the first connection fails. */
  static async connect(options: RedisOptions): Promise<RedisReplyBus> {
    const bus = new RedisReplyBus(options);
    try {
      await bus.#commands.connect();
    } catch (err) {
      bus.#commands.disconnect();
      throw new ConnectError(`no Redis answers there (${(err as Error).message})`);
    }
    return bus;
  }

  get connected(): boolean {
    return this.#commands.status === 'ready' && (this.#listener?.connected ?? true);
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  async publish(ingressId: string, packet: Buffer): Promise<void> {
    this.#pendingBytes += packet.length;
    try {
      await this.#scripts.run(
        'replies/publish',
        replyLog(ingressId),
        ...[replyChannel(ingressId), packet, LOG_WINDOW_MS, LOG_EXPIRE_MS],
      );
    } finally {
      this.#pendingBytes -= packet.length;
    }
  }

  async listen(ingressId: string, onPacket: (packet: Buffer) => void): Promise<void> {
    this.#listener = new ReplyListener(this.#commands, openRedis(this.#options, 'sub'), ingressId, onPacket);
    await this.#listener.start();
  }

  async announce(region: string, slug: string, info: Uint8Array): Promise<void> {
    await this.#commands.hset(modelRegistryKey(region), slug, Buffer.from(info));
  }

  async list(region: string): Promise<Uint8Array[]> {
    const all = await this.#commands.hgetallBuffer(modelRegistryKey(region));
    return Object.values(all);
  }

  async lookup(prefixes: readonly string[]): Promise<string[][]> {
    const none = () => prefixes.map(() => []);
    if (this.#commands.status !== 'ready') return none();
    const limit = new Promise<null>(resolve => setTimeout(resolve, LOOKUP_LIMIT_MS, null).unref());
    const found = this.#commands.mget(prefixes.map(placementKey)).catch(() => null);
    const values = await Promise.race([found, limit]);
    return values === null ? none() : values.map(value => value?.split(',') ?? []);
  }

  learn(entries: readonly PrefixOwners[]): void {
    if (this.#commands.status !== 'ready') return;
    for (const { prefix, owners } of entries) {
      this.#commands.set(placementKey(prefix), owners.join(','), 'EX', PLACEMENT_TTL_S).catch(() => {});
    }
  }

  async close(): Promise<void> {
    this.#listener?.stop();
    this.#commands.disconnect();
  }
}
