/**
 * A Redis and the connections to it. The client keeps its commands in order and sends them again after a reconnect, so one whose answer was
 * lost is executed twice. A server that is started again has lost nothing; a replica that takes over knows nothing of the last moments.
 */
import {
  MemoryModelRegistry,
  MemoryPlacementStore,
  MemoryRunLog,
  MemoryRunStore,
} from '@penstock/transport/memory';
import { Proc, type VirtualTime } from '../world/virtual-time.ts';

/** After this silence the client closes a connection: see libs/transport/redis/liveness.ts. */
const SILENCE_MS = 4000;

interface Command {
  readonly writes: boolean;
  readonly run: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (err: Error) => void;
}

type Write = { readonly at: number; readonly apply: (server: RedisServer) => unknown };

/** What an ingress has been sent, and has read, bytes. */
interface Meter {
  appended: number;
  read: number;
}

interface LogEntry {
  readonly id: string;
  /** Bytes appended with it. */
  readonly appended: number;
  /** Rises from one to the next; part of the id. */
  readonly number: number;
  readonly at: number;
  readonly packet: Buffer;
}

export class RedisServer {
  readonly time: VirtualTime;
  proc = new Proc('redis');
  /** All writes are refused, as for want of memory. */
  refuses = false;
  readonly connections = new Set<RedisConnection>();
  readonly registry = new MemoryModelRegistry();
  readonly placements = new MemoryPlacementStore();
  readonly logs = new Map<string, LogEntry[]>();
  readonly meters = new Map<string, Meter>();
  /** Of its process, which is another one after each start. */
  runId = 1;
  runs: MemoryRunStore;
  runLog: MemoryRunLog;
  /** Told of the store after each write to it. */
  onWrite: () => void = () => {};
  #writes: Write[] = [];
  #replayedAt: number | null = null;
  #nextId = 0;

  constructor(time: VirtualTime) {
    this.time = time;
    this.runs = this.#emptyStore();
    this.runLog = new MemoryRunLog(this.runs);
  }

  #emptyStore(): MemoryRunStore {
    return new MemoryRunStore({ now: () => this.#replayedAt ?? this.time.wall() });
  }

  /** Changes the records. */
  write<T>(apply: (server: RedisServer) => T): T {
    this.#writes.push({ at: this.time.now, apply });
    const result = apply(this);
    this.onWrite();
    return result;
  }

  /** As scripts/replies/publish.lua. */
  append(
    ingress: string,
    channel: string,
    packet: Buffer,
    most: { unread: number; sentAlong: number },
  ): number {
    const meter = this.meterOf(ingress);
    const unread = meter.appended - meter.read;
    if (unread > 0 && unread + packet.length > most.unread)
      throw refusal('FULL the ingress has more to read');
    meter.appended += packet.length;
    const number = this.#nextId++;
    const id = `${Math.floor(this.time.wall())}-${number}`;
    const log = this.logs.get(ingress) ?? [];
    this.logs.set(ingress, log);
    log.push({ id, number, appended: meter.appended, at: this.time.now, packet });
    const sent = unread + packet.length > most.sentAlong ? Buffer.alloc(0) : packet;
    const hint = Buffer.concat([Buffer.from(`${id}@${meter.appended} `), sent]);
    for (const connection of this.connections) connection.hint(channel, hint);
    return unread + packet.length;
  }

  /** As scripts/replies/confirm.lua. */
  confirm(ingress: string, behind: string, appended: number): void {
    const meter = this.meterOf(ingress);
    if (meter.appended > 0 && appended <= meter.appended) meter.read = appended;
    const number = Number(behind.slice(behind.indexOf('-') + 1));
    const log = this.logs.get(ingress) ?? [];
    log.splice(0, log.findLastIndex(each => each.number < number) + 1);
  }

  meterOf(ingress: string): Meter {
    const meter = this.meters.get(ingress) ?? { appended: 0, read: 0 };
    this.meters.set(ingress, meter);
    return meter;
  }

  kill(): void {
    this.time.kill(this.proc);
    for (const connection of this.connections) connection.broken();
  }

  start(): void {
    this.proc = new Proc('redis');
    this.runId++;
  }

  /** What was written in the last moments is not there. */
  forget(ms: number): void {
    const until = this.time.now - ms;
    for (const [ingress, log] of this.logs) {
      const kept = log.filter(({ at }) => at <= until);
      this.logs.set(ingress, kept);
      const meter = this.meterOf(ingress);
      meter.appended = kept.at(-1)?.appended ?? Math.min(meter.appended, meter.read);
      meter.read = Math.min(meter.read, meter.appended);
    }
    this.#writes = this.#writes.filter(({ at }) => at <= until);
    this.runs = this.#emptyStore();
    this.runLog = new MemoryRunLog(this.runs);
    for (const { at, apply } of this.#writes) {
      this.#replayedAt = this.time.wall() - this.time.now + at;
      void apply(this);
    }
    this.#replayedAt = null;
  }
}

export class RedisConnection {
  status = 'wait';
  /** Which process of the server it reached last. */
  runId = 0;
  readonly #server: RedisServer;
  readonly #proc: Proc;
  readonly #listeners = new Map<string, ((...args: never[]) => void)[]>();
  #commands: Command[] = [];
  /** That it wants to hear, and that the server knows of. */
  readonly #wanted = new Set<string>();
  readonly #channels = new Set<string>();
  #epoch = 0;
  isCut = false;
  #tries = 0;
  #upAt = 0;
  #downAt = 0;
  #heardAt = 0;
  #isWatched = false;

  constructor(server: RedisServer, proc: Proc) {
    this.#server = server;
    this.#proc = proc;
    server.connections.add(this);
  }

  on(event: string, listener: (...args: never[]) => void): this {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
    return this;
  }

  #emit(event: string, ...args: unknown[]): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(...(args as never[]));
  }

  #latency(): number {
    return 0.1 + this.#server.time.rand() * 0.5;
  }

  /** Resolves with the server's answer, however often it has to be asked. @throws as a `ReplyError` what it refuses. */
  command<T>(writes: boolean, run: () => T): Promise<Awaited<T>> {
    return new Promise((resolve, reject) => {
      const command = { writes, run, resolve: resolve as (value: never) => void, reject };
      this.#commands.push(command);
      if (this.status === 'ready') this.#send(command);
    });
  }

  #send(command: Command): void {
    const { time, proc } = this.#server;
    const epoch = this.#epoch;
    this.#watchSilence();
    this.#upAt = Math.max(this.#upAt, time.now + this.#latency());
    time.at(proc, this.#upAt, () => {
      if (epoch === this.#epoch && this.#proc.isAlive) void this.#execute(command, epoch);
    });
  }

  async #execute(command: Command, epoch: number): Promise<void> {
    try {
      if (command.writes && this.#server.refuses) throw refusal();
      const value = await command.run();
      this.#answer(command, epoch, () => command.resolve(value as never));
    } catch (err) {
      this.#answer(command, epoch, () => command.reject(err as Error));
    }
  }

  #answer(command: Command, epoch: number, tell: () => void): void {
    this.#down(epoch, () => {
      this.#commands = this.#commands.filter(each => each !== command);
      tell();
    });
  }

  #down(epoch: number, does: () => void): void {
    const { time } = this.#server;
    this.#downAt = Math.max(this.#downAt, time.now + this.#latency());
    time.at(this.#proc, this.#downAt, () => {
      if (epoch !== this.#epoch) return;
      this.#heardAt = time.now;
      does();
    });
  }

  #watchSilence(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    const { time } = this.#server;
    this.#heardAt = time.now;
    const look = () => {
      this.#isWatched = this.#commands.length > 0 && this.status === 'ready';
      if (!this.#isWatched) return;
      if (time.now - this.#heardAt >= SILENCE_MS) {
        this.#isWatched = false;
        return this.broken();
      }
      time.after(this.#proc, SILENCE_MS / 4, look);
    };
    time.after(this.#proc, SILENCE_MS, look);
  }

  hint(channel: string, message: Buffer): void {
    if (this.#channels.has(channel) && this.status === 'ready')
      this.#down(this.#epoch, () => this.#emit('messageBuffer', Buffer.from(channel), message));
  }

  /** Told what the server announces, as long as it is connected. */
  push(does: () => void): void {
    if (this.status === 'ready') this.#down(this.#epoch, does);
  }

  broken(): void {
    if (this.status !== 'ready') return;
    this.#epoch++;
    this.#channels.clear();
    this.status = 'reconnecting';
    this.#server.time.after(this.#proc, 0, () => {
      this.#emit('close');
      this.#reconnectSoon();
    });
  }

  #reconnectSoon(): void {
    const { time } = this.#server;
    time.after(this.#proc, Math.min(1000, 20 * ++this.#tries), () => {
      const { proc } = this.#server;
      if (!proc.isAlive || proc.isStopped || this.isCut) return this.#reconnectSoon();
      this.#tries = 0;
      this.#ready();
    });
  }

  #ready(): void {
    this.status = 'ready';
    this.runId = this.#server.runId;
    const before = this.#commands;
    this.#commands = [];
    for (const channel of this.#wanted) void this.subscribe(channel);
    this.#commands.push(...before);
    for (const command of before) this.#send(command);
    this.#emit('ready');
  }

  /** Resolves once it is connected, however long that takes. */
  connect(): Promise<void> {
    if (this.#server.proc.isAlive) this.#ready();
    else this.#reconnectSoon();
    if (this.status === 'ready') return Promise.resolve();
    return new Promise(resolve => this.on('ready', resolve));
  }

  disconnect(): void {
    this.end();
    this.#emit('end');
  }

  /** The process has ended. */
  end(): void {
    this.#server.connections.delete(this);
    this.status = 'end';
    this.#epoch++;
  }

  // As ioredis has it, for the product's own classes.

  ping(): Promise<string> {
    return this.command(false, () => 'PONG');
  }

  subscribe(channel: string): Promise<void> {
    this.#wanted.add(channel);
    return this.command(false, () => void this.#channels.add(channel));
  }

  xrevrange(key: string): Promise<[string, string[]][]> {
    return this.command(false, () => {
      const last = this.#server.logs.get(key)?.at(-1);
      return last === undefined ? [] : [[last.id, ['p', '', 'appended', String(last.appended)]]];
    });
  }

  xrangeBuffer(
    key: string,
    after: string,
    _to: string,
    _count: string,
    most: number,
  ): Promise<[Buffer, Buffer[]][]> {
    const seen = after === '(0-0' ? -1 : Number(after.slice(after.indexOf('-') + 1));
    return this.command(false, () => {
      const log = this.#server.logs.get(key) ?? [];
      const from = log.findLastIndex(({ number }) => number <= seen) + 1;
      return log
        .slice(from, from + most)
        .map(({ id, packet, appended }) => [
          Buffer.from(id),
          [Buffer.from('p'), packet, Buffer.from('appended'), Buffer.from(String(appended))],
        ]);
    });
  }
}

export function refusal(message = "OOM command not allowed when used memory > 'maxmemory'."): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' });
}
