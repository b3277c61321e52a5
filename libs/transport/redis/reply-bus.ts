/** The reply bus and the model registry on Redis. The only file that imports the Redis client. */
import { modelRegistryKey, placementKey, replyChannel, replyLog } from '@penstock/protocol';
import { Redis } from 'ioredis';
import { ConnectError, type ModelRegistry, type PlacementStore, type ReplyBus } from '../ports/ports.ts';

/** How far back the log of an ingress reaches, ms. It has to outlast a reconnect. */
const LOG_WINDOW_MS = 15_000;
/** A log nobody appends to is forgotten after this. */
const LOG_EXPIRE_MS = 60_000;
/** How often a listener compares the end of the log with the last packet it saw. */
const TIP_CHECK_MS = 1000;
const CATCH_UP_BATCH = 256;
/** A prefix nobody asked for in this long is forgotten, s. 95 % of follow-ups come within ten minutes (Mooncake trace). */
const PLACEMENT_TTL_S = 600;
/** A request does not wait longer than this for a hint, ms. */
const LOOKUP_LIMIT_MS = 50;

/**
 * Append and hint in one step, so that the order on the channel is the order in the log. The log id goes in front of
 * the packet: a listener always knows its place and can read on from there.
 * KEYS log · ARGV channel, packet, window ms, expire ms
 */
const PUBLISH_LUA = `
local t=redis.call('TIME')
local id=redis.call('XADD',KEYS[1],'MINID','~',math.max(0,t[1]*1000-ARGV[3]),'*','p',ARGV[2])
redis.call('PEXPIRE',KEYS[1],ARGV[4])
return redis.call('PUBLISH',ARGV[1],id..' '..ARGV[2])`;

type PublishCommand = (
  log: string,
  channel: string,
  packet: Buffer,
  windowMs: number,
  expireMs: number,
) => Promise<number>;

export interface RedisOptions {
  readonly url: string;
  readonly name: string;
}

/** A connection of its own that waits for a lost server for ever. `role` shows in the server's client list. */
export function openRedis(options: RedisOptions, role: string): Redis {
  const redis = new Redis(options.url, {
    connectionName: `${options.name}-${role}`,
    // Commands wait and are sent again in order after a reconnect: the log tolerates repeats, not holes.
    maxRetriesPerRequest: null,
    retryStrategy: tries => Math.min(1000, 20 * tries),
    keepAlive: 5000,
    connectTimeout: 2000,
    lazyConnect: true,
    // Thousands of records a second, and no order between them that a caller does not wait for: one write for many.
    enableAutoPipelining: role === 'runs',
  });
  // Without a listener a lost connection would end the process; the state shows in `connected`.
  redis.on('error', () => {});
  return redis;
}

export class RedisReplyBus implements ReplyBus, ModelRegistry, PlacementStore {
  readonly #commands: Redis;
  readonly #options: RedisOptions;
  #listener: ReplyListener | null = null;
  #pendingBytes = 0;

  private constructor(options: RedisOptions) {
    this.#options = options;
    this.#commands = openRedis(options, 'cmd');
    this.#commands.defineCommand('penstockPublish', { numberOfKeys: 1, lua: PUBLISH_LUA });
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
    const run = (this.#commands as unknown as { penstockPublish: PublishCommand }).penstockPublish;
    try {
      await run.call(
        this.#commands,
        replyLog(ingressId),
        replyChannel(ingressId),
        packet,
        LOG_WINDOW_MS,
        LOG_EXPIRE_MS,
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

  learn(entries: readonly { prefix: string; owners: readonly string[] }[]): void {
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

/**
 * Follows one ingress' log, by the channel while it flows and by reading while it does not.
 *
 * **live**: packets come by the channel, in log order; `#last` is the id of the newest one handed on.
 * **catching up** (from a lost subscription until its successor is confirmed and the log read to its end, and when the
 * end of the log stays ahead of `#last`): channel packets only raise `#seen`; the log is read from `#last` until it has
 * given everything up to `#seen`. Going live any earlier would skip what was published before the new subscription.
 */
class ReplyListener {
  readonly #log: Redis;
  readonly #sub: Redis;
  readonly #key: string;
  readonly #channel: string;
  readonly #onPacket: (packet: Buffer) => void;
  #last = '0-0';
  #seen = '0-0';
  #live = false;
  /** Counts lost subscriptions: a catch-up that began under an older one gives up. */
  #epoch = 0;
  #timer: NodeJS.Timeout | null = null;
  #checkedTip = '0-0';

  constructor(log: Redis, sub: Redis, ingressId: string, onPacket: (packet: Buffer) => void) {
    this.#log = log;
    this.#sub = sub;
    this.#key = replyLog(ingressId);
    this.#channel = replyChannel(ingressId);
    this.#onPacket = onPacket;
  }

  get connected(): boolean {
    return this.#sub.status === 'ready';
  }

  async start(): Promise<void> {
    this.#last = (await this.#tip()) ?? '0-0';
    this.#sub.on('messageBuffer', (_channel: Buffer, message: Buffer) => this.#hint(message));
    this.#sub.on('close', () => this.#fallBehind());
    await this.#sub.connect();
    await this.#resume();
    this.#sub.on('ready', () => void this.#resume().catch(() => {}));
    this.#timer = setInterval(() => void this.#checkTip().catch(() => {}), TIP_CHECK_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#fallBehind();
    this.#sub.disconnect();
  }

  #fallBehind(): number {
    this.#live = false;
    return ++this.#epoch;
  }

  #hint(message: Buffer): void {
    const space = message.indexOf(0x20);
    const id = message.toString('latin1', 0, space);
    if (!this.#live) {
      if (isLater(id, this.#seen)) this.#seen = id;
      return;
    }
    if (!isLater(id, this.#last)) return;
    this.#last = id;
    this.#onPacket(message.subarray(space + 1));
  }

  /** Two looks a second apart at the same unseen end of the log: a hint was lost without a disconnect. */
  async #checkTip(): Promise<void> {
    const tip = await this.#tip();
    if (tip === null || !this.#live) return;
    const stale = tip === this.#checkedTip && isLater(tip, this.#last);
    this.#checkedTip = tip;
    if (stale) await this.#catchUp(this.#fallBehind());
  }

  async #tip(): Promise<string | null> {
    const newest = await this.#log.xrevrange(this.#key, '+', '-', 'COUNT', 1);
    return newest[0]?.[0] ?? null;
  }

  /** On a new connection: subscribes, and once that is confirmed reads what was missed. */
  async #resume(): Promise<void> {
    const epoch = this.#fallBehind();
    await this.#sub.subscribe(this.#channel);
    await this.#catchUp(epoch);
  }

  async #catchUp(epoch: number): Promise<void> {
    for (;;) {
      const seenBefore = this.#seen;
      const entries = await this.#log.xrangeBuffer(this.#key, `(${this.#last}`, '+', 'COUNT', CATCH_UP_BATCH);
      if (epoch !== this.#epoch) return;
      for (const [id, fields] of entries) {
        this.#last = id.toString('latin1');
        if (fields[1] !== undefined) this.#onPacket(fields[1]);
      }
      if (entries.length > 0) continue;
      // Hinted before we asked, and still not in the log: it was trimmed. Its requests time out or run again.
      if (isLater(seenBefore, this.#last)) this.#last = seenBefore;
      // Hinted while we asked: the next read brings it.
      if (isLater(this.#seen, this.#last)) continue;
      this.#live = true;
      return;
    }
  }
}

/** Whether Redis stream id `a` (`<ms>-<n>`) comes after `b`. */
function isLater(a: string, b: string): boolean {
  const [aMs = '0', aN = '0'] = a.split('-');
  const [bMs = '0', bN = '0'] = b.split('-');
  return Number(aMs) > Number(bMs) || (aMs === bMs && Number(aN) > Number(bN));
}
