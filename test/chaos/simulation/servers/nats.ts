/**
 * A nats-server and the connections to it. What is on its way when a connection breaks is lost, in both directions; the client library throws
 * away what is published while it is not connected, and subscribes again to everything when it is.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { matchesFilter } from '@penstock/transport/memory';
import { Proc, type VirtualTime } from '../world/virtual-time.ts';
import type { ConsumerConfig } from './consumer.ts';
import { Stream } from './jetstream.ts';

/** As the product's connection is set: see libs/transport/nats/connection/connection.ts. */
const RECONNECT_MS = { least: 200, jitter: 100 };
const JSM_TIMEOUT_MS = 5000;

interface Heard {
  readonly link: NatsLink;
  readonly sid: number;
  readonly subject: string;
}

export class NatsServer {
  readonly time: VirtualTime;
  proc = new Proc('nats');
  readonly streams = new Map<string, Stream>();
  readonly links = new Set<NatsLink>();
  readonly #exact = new Map<string, Heard[]>();
  #wild: Heard[] = [];

  constructor(time: VirtualTime) {
    this.time = time;
  }

  get isUp(): boolean {
    return this.proc.isAlive;
  }

  /** @param forgottenMs how much of the latest was not on its disk. */
  kill(forgottenMs: number): void {
    this.time.kill(this.proc);
    for (const stream of this.streams.values()) stream.crash(forgottenMs);
    this.#exact.clear();
    this.#wild = [];
    for (const link of this.links) link.broken();
  }

  start(): void {
    this.proc = new Proc('nats');
    for (const stream of this.streams.values()) {
      stream.recover();
      for (const consumer of stream.consumers.values()) stream.dispatch(consumer);
    }
  }

  subscribe(heard: Heard): void {
    if (heard.subject.includes('*') || heard.subject.includes('>')) this.#wild.push(heard);
    else this.#exact.set(heard.subject, [...(this.#exact.get(heard.subject) ?? []), heard]);
  }

  unsubscribe(link: NatsLink, sid: number | null): void {
    const stays = (heard: Heard) => heard.link !== link || (sid !== null && heard.sid !== sid);
    this.#wild = this.#wild.filter(stays);
    const subject = sid === null ? null : link.subjectOf(sid);
    for (const key of subject === null || subject === undefined ? [...this.#exact.keys()] : [subject]) {
      const left = (this.#exact.get(key) ?? []).filter(stays);
      if (left.length === 0) this.#exact.delete(key);
      else this.#exact.set(key, left);
    }
  }

  isHeard(inbox: string): boolean {
    return this.#exact.has(inbox);
  }

  deliver(inbox: string, subject: string, data: Uint8Array, reply: string, code: number): void {
    for (const { link, sid } of this.#exact.get(inbox) ?? [])
      link.receive(sid, { subject, data, reply, code });
  }

  publish(subject: string, data: Uint8Array, reply: string, headers: MsgHdrs | undefined): void {
    if (subject.startsWith('$JS.')) return this.#command(subject, data, reply);
    for (const stream of this.streams.values())
      if ((stream.config['subjects'] as string[]).some(filter => matchesFilter(subject, filter)))
        return this.#store(stream, subject, data, reply, headers);
    let isHeard = false;
    for (const { link, sid, subject: filter } of [...(this.#exact.get(subject) ?? []), ...this.#wild]) {
      if (!matchesFilter(subject, filter)) continue;
      isHeard = true;
      link.receive(sid, { subject, data, reply, code: 0 });
    }
    if (!isHeard && reply !== '') this.#tell(reply, new Uint8Array(), 503);
  }

  #tell(inbox: string, data: Uint8Array, code: number): void {
    for (const { link, sid, subject } of [...(this.#exact.get(inbox) ?? []), ...this.#wild])
      if (matchesFilter(inbox, subject)) link.receive(sid, { subject: inbox, data, reply: '', code });
  }

  #store(
    stream: Stream,
    subject: string,
    data: Uint8Array,
    reply: string,
    headers: MsgHdrs | undefined,
  ): void {
    const ttl = headers?.get('Nats-TTL') ?? '';
    const id = headers?.get('Nats-Msg-Id') ?? '';
    const ack = stream.store(
      subject,
      data,
      id === '' ? null : id,
      ttl === '' ? null : Number.parseInt(ttl, 10) * 1000,
    );
    if (reply !== '') this.#tell(reply, Buffer.from(JSON.stringify(ack)), 0);
  }

  #command(subject: string, data: Uint8Array, reply: string): void {
    const tokens = subject.split('.');
    if (subject.startsWith('$JS.ACK.')) {
      const [, , stream = '', consumer = '', , seq, delivery] = tokens;
      const settlement = Buffer.from(data).toString();
      return this.streams.get(stream)?.settle(consumer, Number(seq), Number(delivery), settlement);
    }
    if (subject.startsWith('$JS.API.CONSUMER.MSG.NEXT.')) {
      const stream = this.streams.get(tokens[5] ?? '');
      const consumer = stream?.consumers.get(tokens[6] ?? '');
      if (stream === undefined || consumer === undefined) return this.#tell(reply, new Uint8Array(), 503);
      return stream.pull(consumer, reply, JSON.parse(Buffer.from(data).toString()));
    }
    if (subject.startsWith('$JS.API.STREAM.PURGE.')) {
      const { filter } = JSON.parse(Buffer.from(data).toString()) as { filter: string };
      return this.streams.get(tokens[4] ?? '')?.purge(filter);
    }
    if (subject.startsWith('$JS.API.STREAM.INFO.')) return this.#tell(reply, Buffer.from('{}'), 0);
    throw new Error(`the simulated nats-server does not know ${subject}`);
  }

  ensureStream(config: Record<string, unknown> & { name: string }): void {
    const known = this.streams.get(config.name);
    if (known !== undefined) known.config = config;
    else this.streams.set(config.name, new Stream(config, this.time, () => this.proc, this));
  }
}

interface Arrived {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply: string;
  readonly code: number;
}

/** One connection, seen from its client. */
export class NatsLink {
  readonly #server: NatsServer;
  readonly #proc: Proc;
  readonly #subs = new Map<
    number,
    { readonly subject: string; readonly heard: (err: null, msg: object) => void }
  >();
  #nextSid = 1;
  #epoch = 0;
  #isConnected = true;
  /** No new connection is possible. */
  isCut = false;
  #upAt = 0;
  #downAt = 0;
  readonly #statuses: { readonly type: string }[] = [];
  #wakeStatus: (() => void) | null = null;

  constructor(server: NatsServer, proc: Proc) {
    this.#server = server;
    this.#proc = proc;
    server.links.add(this);
    if (server.isUp) return;
    this.#isConnected = false;
    this.#reconnectSoon();
  }

  subjectOf(sid: number): string | undefined {
    return this.#subs.get(sid)?.subject;
  }

  #latency(): number {
    return 0.2 + this.#server.time.rand();
  }

  /** @param does it at the server, unless it is lost on the way. */
  #up(does: () => void): void {
    const { time } = this.#server;
    if (!this.#isConnected) return;
    const [epoch, server] = [this.#epoch, this.#server.proc];
    this.#upAt = Math.max(this.#upAt, time.now + this.#latency());
    time.at(server, this.#upAt, () => {
      if (epoch === this.#epoch && this.#proc.isAlive) does();
    });
  }

  #down(does: () => void): void {
    const { time } = this.#server;
    const epoch = this.#epoch;
    this.#downAt = Math.max(this.#downAt, time.now + this.#latency());
    time.at(this.#proc, this.#downAt, () => {
      if (epoch === this.#epoch) does();
    });
  }

  receive(sid: number, { subject, data, reply, code }: Arrived): void {
    this.#down(() => {
      const message = {
        ...{ subject, data, reply },
        headers: code === 0 ? undefined : { code },
        string: () => Buffer.from(data).toString(),
        respond: (answer: Uint8Array) => this.publish(reply, answer),
      };
      this.#subs.get(sid)?.heard(null, message);
    });
  }

  publish(subject: string, data: Uint8Array, options: { reply?: string; headers?: MsgHdrs } = {}): void {
    this.#up(() => this.#server.publish(subject, data, options.reply ?? '', options.headers));
  }

  subscribe(subject: string, heard: (err: null, msg: object) => void) {
    const sid = this.#nextSid++;
    this.#subs.set(sid, { subject, heard });
    this.#up(() => this.#server.subscribe({ link: this, sid, subject }));
    return {
      /** What is on its way arrives yet. */
      drain: () =>
        new Promise<void>(resolve => {
          const done = () => {
            this.#subs.delete(sid);
            resolve();
          };
          if (!this.#isConnected) return done();
          this.#up(() => {
            this.#server.unsubscribe(this, sid);
            this.#down(done);
          });
        }),
    };
  }

  /** The connection is lost. */
  broken(): void {
    if (!this.#isConnected) return;
    this.#server.unsubscribe(this, null);
    this.#epoch++;
    this.#isConnected = false;
    const { time } = this.#server;
    time.after(this.#proc, this.#latency(), () => {
      this.#say('disconnect');
      this.#reconnectSoon();
    });
  }

  #reconnectSoon(): void {
    const { time } = this.#server;
    time.after(this.#proc, RECONNECT_MS.least + time.rand() * RECONNECT_MS.jitter, () => {
      if (!this.#server.isUp || this.#server.proc.isStopped || this.isCut) return this.#reconnectSoon();
      this.#isConnected = true;
      this.#epoch++;
      for (const [sid, { subject }] of this.#subs)
        this.#up(() => this.#server.subscribe({ link: this, sid, subject }));
      this.#say('reconnect');
    });
  }

  #say(type: string): void {
    this.#statuses.push({ type });
    this.#wakeStatus?.();
  }

  async *statuses() {
    for (;;) {
      for (let status = this.#statuses.shift(); status !== undefined; status = this.#statuses.shift())
        yield status;
      await new Promise<void>(resolve => {
        this.#wakeStatus = resolve;
      });
    }
  }

  /** A command of the management API. */
  command<T>(does: () => T): Promise<T> {
    const timeout = new Error('timeout');
    return new Promise((resolve, reject) => {
      const { time } = this.#server;
      const timer = time.after(this.#proc, JSM_TIMEOUT_MS, () => reject(timeout));
      this.#up(() => {
        const result = does();
        this.#down(() => {
          timer.run = null;
          resolve(result);
        });
      });
    });
  }

  /** The process has ended. */
  end(): void {
    this.#server.unsubscribe(this, null);
    this.#server.links.delete(this);
    this.#epoch++;
  }

  /** As the client library's connection, as far as the product uses it. */
  connection(): NatsConnection {
    return {
      publish: (...args: Parameters<NatsLink['publish']>) => this.publish(...args),
      subscribe: (subject: string, { callback }: { callback: (err: null, msg: object) => void }) =>
        this.subscribe(subject, callback),
      isClosed: () => false,
      status: () => this.statuses(),
    } as unknown as NatsConnection;
  }

  manager(): JetStreamManager {
    const server = this.#server;
    const streamOf = (name: string) => {
      const stream = server.streams.get(name);
      if (stream === undefined) throw new Error(`no stream ${name}`);
      return stream;
    };
    return {
      streams: {
        add: (config: Record<string, unknown> & { name: string }) =>
          this.command(() => server.ensureStream(config)),
        deleteMessage: (name: string, seq: number) => this.command(() => streamOf(name).delete(seq)),
        getMessage: (name: string, { last_by_subj: subject }: { last_by_subj: string }) =>
          this.command(() => streamOf(name).read(subject)),
      },
      consumers: {
        add: (name: string, config: ConsumerConfig) =>
          this.command(() => void streamOf(name).ensureConsumer(config)),
        update: (name: string, _: string, config: ConsumerConfig) =>
          this.command(() => void streamOf(name).ensureConsumer(config)),
      },
    } as unknown as JetStreamManager;
  }
}
