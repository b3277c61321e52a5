/**
 * The reply bus on Redis: for each ingress a stream as its log, and a channel that announces what was appended. The log holds what its
 * ingress has yet to read, which the ingress confirms as it reads; what there is no room for is refused, and waits at the worker.
 */
import { replyChannel, replyLog, replyMeter } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { ReplyBus } from '../../ports/reply-bus.ts';
import {
  connectRedis,
  isAnswering,
  onAnswering,
  openRedis,
  type RedisOptions,
} from '../connection/connection.ts';
import { RedisModelRegistry } from '../model-registry.ts';
import { RedisPlacementStore } from '../placement-store.ts';
import { RedisRegionNodes } from '../region-nodes.ts';
import { nowOf, RedisRequestTrails } from '../request-trails.ts';
import { RedisScripts } from '../scripts.ts';
import { PacedReplies } from './paced-replies.ts';
import { ReplyListener } from './reply-listener.ts';
import { ReplyOutbox } from './reply-outbox.ts';

/**
 * Most bytes that an ingress may have to read before long packets wait, and before it has to read the log by itself. A fourth of what makes
 * Redis disconnect a subscriber that has not taken it for a minute (`client-output-buffer-limit pubsub 32mb 8mb 60`). What is published then is
 * read after it, first tokens too: a few ms where the ingress has a core to itself.
 */
const WINDOW_BYTES = 2 * 1024 * 1024;
/** Most bytes that an ingress may have to read: what comes then waits at its worker, the first tokens too. */
const LOG_BYTES = 32 * 1024 * 1024;
/** A log that nobody appends to is deleted after this. */
const LOG_EXPIRE_MS = 60_000;

export class RedisReplyBus implements ReplyBus {
  /** On the connection of the bus. */
  readonly models: RedisModelRegistry;
  readonly placements: RedisPlacementStore;
  readonly trails: RedisRequestTrails;
  readonly nodes: RedisRegionNodes;
  readonly #commands: Redis;
  readonly #scripts: RedisScripts<'replies/publish' | 'replies/confirm'>;
  readonly #outbox: ReplyOutbox;
  readonly #paced: PacedReplies;
  readonly #options: RedisOptions;
  readonly #watchers: (() => void)[] = [];
  #listener: ReplyListener | null = null;
  #pendingBytes = 0;

  private constructor(options: RedisOptions, commands: Redis) {
    this.#options = options;
    this.#commands = commands;
    this.#scripts = new RedisScripts(commands, ['replies/publish', 'replies/confirm']);
    this.#outbox = new ReplyOutbox({
      send: (ingressId, packet) => this.#append(ingressId, packet, LOG_BYTES),
    });
    this.#paced = new PacedReplies({
      send: (ingressId, packet) => this.#append(ingressId, packet, WINDOW_BYTES),
      backlog: async ingressId => {
        const [appended, read] = await commands.hmget(replyMeter(ingressId), 'appended', 'read');
        return { read: Number(read ?? 0), unread: Number(appended ?? 0) - Number(read ?? 0) };
      },
      isHeldUp: ingressId => this.#outbox.keeps(ingressId),
      windowBytes: WINDOW_BYTES,
    });
    this.models = new RedisModelRegistry(commands);
    this.placements = new RedisPlacementStore(commands);
    this.nodes = new RedisRegionNodes(commands);
    this.trails = new RedisRequestTrails(commands, nowOf(options));
  }

  /** @throws ConnectError when the first connection fails. */
  static async connect(options: RedisOptions): Promise<RedisReplyBus> {
    return new RedisReplyBus(options, await connectRedis(options, 'cmd'));
  }

  get connected(): boolean {
    return isAnswering(this.#commands) && (this.#listener?.connected ?? true);
  }

  onConnection(watcher: () => void): void {
    this.#watchers.push(watcher);
    onAnswering(this.#commands, watcher);
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  publish(ingressId: string, packet: Buffer): Promise<void> {
    return this.#pending(packet, this.#outbox.publish(ingressId, packet));
  }

  publishPaced(ingressId: string, packet: Buffer): Promise<void> {
    return this.#pending(packet, this.#paced.publish(ingressId, packet));
  }

  async #pending(packet: Buffer, published: Promise<void>): Promise<void> {
    this.#pendingBytes += packet.length;
    try {
      await published;
    } finally {
      this.#pendingBytes -= packet.length;
    }
  }

  #append(ingressId: string, packet: Buffer, mostUnreadBytes: number): Promise<unknown> {
    return this.#scripts.run(
      'replies/publish',
      ...[replyLog(ingressId), replyMeter(ingressId)],
      ...[replyChannel(ingressId), packet, mostUnreadBytes, WINDOW_BYTES, LOG_EXPIRE_MS],
    );
  }

  async listen(
    ingressId: string,
    onPacket: (packet: Buffer) => void,
    onBadHint: () => void = () => {},
  ): Promise<void> {
    this.#listener = new ReplyListener({
      log: this.#commands,
      sub: openRedis(this.#options, 'sub'),
      ...{ ingressId, onPacket, onBadHint },
      ...(this.#options.onUnhandled === undefined ? {} : { onUnhandled: this.#options.onUnhandled }),
      onConnected: () => {
        for (const watcher of this.#watchers) watcher();
      },
      confirm: (behind, appended) =>
        this.#scripts.run(
          'replies/confirm',
          ...[replyLog(ingressId), replyMeter(ingressId), behind, appended],
        ),
    });
    await this.#listener.start();
  }

  async close(): Promise<void> {
    this.#listener?.stop();
    this.#outbox.close();
    this.#paced.close();
    this.#commands.disconnect();
  }
}
