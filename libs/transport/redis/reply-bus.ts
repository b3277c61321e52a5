/** The reply bus on Redis: for each ingress a stream as its log, and a channel that announces what was appended. */
import { replyChannel, replyLog } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { ReplyBus } from '../ports/reply-bus.ts';
import { connectRedis, isAnswering, onAnswering, openRedis, type RedisOptions } from './connection.ts';
import { RedisModelRegistry } from './model-registry.ts';
import { RedisPlacementStore } from './placement-store.ts';
import { ReplyListener } from './reply-listener.ts';
import { ReplyOutbox } from './reply-outbox.ts';
import { RedisRequestTrails } from './request-trails.ts';
import { RedisScripts } from './scripts.ts';

/** How far back the log of an ingress reaches, ms. It has to cover a reconnect. */
const LOG_WINDOW_MS = 15_000;
/** A log that nobody appends to is deleted after this. */
const LOG_EXPIRE_MS = 60_000;

export class RedisReplyBus implements ReplyBus {
  /** On the connection of the bus. */
  readonly models: RedisModelRegistry;
  readonly placements: RedisPlacementStore;
  readonly trails: RedisRequestTrails;
  readonly #commands: Redis;
  readonly #scripts: RedisScripts<'replies/publish'>;
  readonly #outbox: ReplyOutbox;
  readonly #options: RedisOptions;
  #listener: ReplyListener | null = null;
  #pendingBytes = 0;

  private constructor(options: RedisOptions, commands: Redis) {
    this.#options = options;
    this.#commands = commands;
    this.#scripts = new RedisScripts(commands, ['replies/publish']);
    this.#outbox = new ReplyOutbox({ send: (ingressId, packet) => this.#append(ingressId, packet) });
    this.models = new RedisModelRegistry(commands);
    this.placements = new RedisPlacementStore(commands);
    this.trails = new RedisRequestTrails(commands);
  }

  /** @throws ConnectError when the first connection fails. */
  static async connect(options: RedisOptions): Promise<RedisReplyBus> {
    return new RedisReplyBus(options, await connectRedis(options, 'cmd'));
  }

  get connected(): boolean {
    return isAnswering(this.#commands) && (this.#listener?.connected ?? true);
  }

  onConnection(listener: () => void): void {
    onAnswering(this.#commands, listener);
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  async publish(ingressId: string, packet: Buffer): Promise<void> {
    this.#pendingBytes += packet.length;
    try {
      await this.#outbox.publish(ingressId, packet);
    } finally {
      this.#pendingBytes -= packet.length;
    }
  }

  #append(ingressId: string, packet: Buffer): Promise<unknown> {
    return this.#scripts.run(
      'replies/publish',
      replyLog(ingressId),
      ...[replyChannel(ingressId), packet, LOG_WINDOW_MS, LOG_EXPIRE_MS],
    );
  }

  async listen(ingressId: string, onPacket: (packet: Buffer) => void): Promise<void> {
    this.#listener = new ReplyListener(this.#commands, openRedis(this.#options, 'sub'), ingressId, onPacket);
    await this.#listener.start();
  }

  async close(): Promise<void> {
    this.#listener?.stop();
    this.#outbox.close();
    this.#commands.disconnect();
  }
}
