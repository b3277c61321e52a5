/** What a process of the product is given of the servers: its own adapters where they need no vendor's client, and else ports. */
import { type AttemptKey, replyChannel, replyLog } from '@penstock/protocol';
import { NatsWorkQueue, type ReplyBus, type RunLog, type RunStore } from '@penstock/transport';
import type { Redis } from 'ioredis';
import { RedisLiveness, Rounds } from '../../../../libs/transport/redis/connection/liveness.ts';
import { PacedReplies } from '../../../../libs/transport/redis/replies/paced-replies.ts';
import { ReplyListener } from '../../../../libs/transport/redis/replies/reply-listener.ts';
import { ReplyOutbox } from '../../../../libs/transport/redis/replies/reply-outbox.ts';
import type { Proc, VirtualTime } from '../world/virtual-time.ts';
import { NatsLink, type NatsServer } from './nats.ts';
import { RedisConnection, type RedisServer } from './redis.ts';

export interface Servers {
  readonly time: VirtualTime;
  readonly nats: NatsServer;
  readonly redis: RedisServer;
}

/** All connections of one process. */
export class Wires {
  readonly link: NatsLink;
  readonly queue: NatsWorkQueue;
  readonly bus: SimReplyBus;
  readonly runs: RunStore;
  readonly runLog: RunLog;
  readonly #connections: RedisConnection[] = [];

  constructor({ nats, redis }: Servers, proc: Proc) {
    const connect = () => {
      const connection = new RedisConnection(redis, proc);
      this.#connections.push(connection);
      void connection.connect();
      return connection;
    };
    this.link = new NatsLink(nats, proc);
    const wire = [this.link.connection(), this.link.manager(), { url: '', name: proc.name }];
    this.queue = Reflect.construct(NatsWorkQueue, wire) as NatsWorkQueue;
    this.bus = new SimReplyBus(redis, connect(), () => {
      const connection = new RedisConnection(redis, proc);
      this.#connections.push(connection);
      return connection;
    });
    const store = connect();
    this.runs = runStoreOver(redis, store);
    this.runLog = runLogOver(redis, store);
  }

  /** Redis cannot be reached, or again. */
  cutRedis(isCut: boolean): void {
    for (const connection of this.#connections) {
      connection.isCut = isCut;
      if (isCut) connection.broken();
    }
  }

  cutNats(isCut: boolean): void {
    this.link.isCut = isCut;
    if (isCut) this.link.broken();
  }

  end(): void {
    this.link.end();
    for (const connection of this.#connections) connection.end();
  }
}

/** As in libs/transport/redis/replies/reply-bus.ts. */
const WINDOW_BYTES = 4 * 1024 * 1024;
const LOG_BYTES = 32 * 1024 * 1024;

/** As RedisReplyBus, which it shares everything with but the client. */
class SimReplyBus implements ReplyBus {
  readonly #redis: RedisServer;
  readonly #commands: RedisConnection;
  readonly #liveness: RedisLiveness;
  readonly #outbox: ReplyOutbox;
  readonly #paced: PacedReplies;
  readonly #open: () => RedisConnection;
  #listener: ReplyListener | null = null;
  pendingBytes = 0;

  constructor(redis: RedisServer, commands: RedisConnection, open: () => RedisConnection) {
    this.#redis = redis;
    this.#commands = commands;
    this.#open = open;
    this.#liveness = new RedisLiveness(commands as unknown as Redis, undefined, new Rounds());
    this.#outbox = new ReplyOutbox({ send: (...about) => this.#append(...about, LOG_BYTES) });
    this.#paced = new PacedReplies({
      send: (...about) => this.#append(...about, WINDOW_BYTES),
      backlog: ingressId =>
        commands.command(false, () => {
          const { appended, read } = redis.meterOf(replyLog(ingressId));
          return { read, unread: appended - read };
        }),
      isHeldUp: ingressId => this.#outbox.keeps(ingressId),
      windowBytes: WINDOW_BYTES,
    });
  }

  #append(ingressId: string, packet: Buffer, unread: number): Promise<unknown> {
    const most = { unread, sentAlong: WINDOW_BYTES };
    return this.#commands.command(true, () =>
      this.#redis.append(replyLog(ingressId), replyChannel(ingressId), packet, most),
    );
  }

  get connected(): boolean {
    return this.#liveness.isAnswering && (this.#listener?.connected ?? true);
  }

  onConnection(listener: () => void): void {
    this.#liveness.onChange(listener);
  }

  publish(ingressId: string, packet: Buffer): Promise<void> {
    return this.#pending(packet, this.#outbox.publish(ingressId, packet));
  }

  publishPaced(ingressId: string, packet: Buffer): Promise<void> {
    return this.#pending(packet, this.#paced.publish(ingressId, packet));
  }

  async #pending(packet: Buffer, published: Promise<void>): Promise<void> {
    this.pendingBytes += packet.length;
    try {
      await published;
    } finally {
      this.pendingBytes -= packet.length;
    }
  }

  async listen(ingressId: string, onPacket: (packet: Buffer) => void): Promise<void> {
    const commands = this.#commands;
    this.#listener = new ReplyListener({
      log: commands as unknown as Redis,
      sub: this.#open() as unknown as Redis,
      ...{ ingressId, onPacket, serverOf: () => String(commands.runId) },
      confirm: (behind, appended) =>
        commands.command(true, () => this.#redis.confirm(replyLog(ingressId), behind, appended)),
    });
    await this.#listener.start();
  }

  async close(): Promise<void> {}
}

const READS = new Set(['read', 'progress', 'time']);

/** The store in memory as the server, behind a connection. */
function runStoreOver(redis: RedisServer, connection: RedisConnection): RunStore {
  const methods = [
    'create',
    'keep',
    'withdraw',
    'begin',
    'finish',
    'fail',
    'putBack',
    'cancel',
    'expire',
    'time',
  ] as const;
  const others = ['move', 'reopen', 'read', 'describe', 'progress', 'shorten', 'remove'] as const;
  const call =
    (name: string) =>
    (...args: unknown[]) => {
      const run = (server: RedisServer) =>
        (server.runs as unknown as Record<string, (...args: unknown[]) => unknown>)[name]?.(...args);
      if (READS.has(name)) return connection.command(false, () => run(redis));
      return connection.command(true, () => redis.write(run));
    };
  const store = Object.fromEntries([...methods, ...others].map(name => [name, call(name)]));
  return { ...store, completions: redis.runs.completions, close: async () => {} } as unknown as RunStore;
}

function runLogOver(redis: RedisServer, connection: RedisConnection): RunLog {
  return {
    append: (id: string, attempt: AttemptKey, at: number, entry: Buffer) =>
      connection.command(true, () => redis.write(server => server.runLog.append(id, attempt, at, entry))),
    slice: (id, from, most) =>
      connection.command(true, () => redis.write(server => server.runLog.slice(id, from, most))),
    peek: (id, from, most) => connection.command(false, () => redis.runLog.peek(id, from, most)),
    restart: (id, attempt) =>
      connection.command(true, () => redis.write(server => server.runLog.restart(id, attempt))),
    watch: (id, onHint) =>
      connection.command(false, () => redis.runLog.watch(id, hint => connection.push(() => onHint(hint)))),
    close: async () => {},
  };
}
