/** Logs of stored runs: a Redis list each, and a channel for hints. */
import { type AttemptKey, RUN_STATUSES, runKey, runLogChannel, runLogKey } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import {
  type AppendOutcome,
  type LogHint,
  type LogSlice,
  type RunLog,
  SLICE_BYTES,
} from '../../ports/runs/run-log.ts';
import { dialRedis, handOn, openRedis, type RedisOptions } from '../connection/connection.ts';
import { RedisScripts } from '../scripts.ts';

const SCRIPTS = ['run-log/append', 'run-log/slice', 'run-log/restart'] as const;

type Watcher = (hint: LogHint) => void;

export class RedisRunLog implements RunLog {
  readonly #redis: Redis;
  readonly #scripts: RedisScripts<(typeof SCRIPTS)[number]>;
  /** Opened for the first watcher: workers need none. */
  #sub: Redis | null = null;
  readonly #options: RedisOptions;
  readonly #watchers = new Map<string, Set<Watcher>>();

  private constructor(options: RedisOptions, redis: Redis) {
    this.#options = options;
    this.#redis = redis;
    this.#scripts = new RedisScripts(this.#redis, SCRIPTS);
  }

  static async connect(options: RedisOptions): Promise<RedisRunLog> {
    return new RedisRunLog(options, await dialRedis(options, 'runlog'));
  }

  async append(id: string, { number, nonce }: AttemptKey, at: number, entry: Buffer): Promise<AppendOutcome> {
    const [run, log, channel] = [runKey(id), runLogKey(id), runLogChannel(id)];
    const answer = await this.#scripts.run('run-log/append', run, log, number, nonce, at, entry, channel);
    const outcome = Number(answer);
    if (outcome === -1) return 'fenced';
    return outcome === -2 ? 'torn' : outcome;
  }

  async slice(id: string, from: number, most: number): Promise<LogSlice | null> {
    const keys = [runKey(id), runLogKey(id)] as const;
    const found = await this.#scripts.runForBytes('run-log/slice', ...keys, from, most, SLICE_BYTES);
    const [text, attempt, isAll, ...entries] = (found ?? []) as [Buffer, Buffer, number, ...Buffer[]];
    const status = RUN_STATUSES.find(known => known === text?.toString('latin1'));
    return status === undefined
      ? null
      : { status, attempt: Number(attempt), isAll: Number(isAll) === 1, entries };
  }

  peek(id: string, from: number, most: number): Promise<Buffer[]> {
    return this.#redis.lrangeBuffer(runLogKey(id), from, from + most - 1);
  }

  async restart(id: string, { number, nonce }: AttemptKey): Promise<boolean> {
    return (await this.#scripts.run('run-log/restart', runKey(id), runLogKey(id), number, nonce)) === 1;
  }

  async watch(id: string, onHint: Watcher): Promise<() => void> {
    const channel = runLogChannel(id);
    const watchers = this.#watchers.get(channel) ?? new Set();
    this.#watchers.set(channel, watchers);
    watchers.add(onHint);
    const sub = this.#subscriber();
    if (watchers.size === 1) await sub.subscribe(channel);
    return () => {
      watchers.delete(onHint);
      if (watchers.size > 0 || this.#watchers.get(channel) !== watchers) return;
      this.#watchers.delete(channel);
      sub.unsubscribe(channel).catch(() => {});
    };
  }

  #subscriber(): Redis {
    if (this.#sub !== null) return this.#sub;
    this.#sub = openRedis(this.#options, 'runlog-sub');
    this.#sub.on('messageBuffer', (channel: Buffer, message: Buffer) => {
      const hint = readHint(message);
      for (const watcher of this.#watchers.get(channel.toString('latin1')) ?? [])
        handOn(this.#options, () => watcher(hint));
    });
    this.#sub.connect().catch(() => {});
    return this.#sub;
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
    this.#sub?.disconnect();
  }
}

/** What is no hint ends the wait all the same: its watcher reads the log. */
export function readHint(message: Buffer): LogHint {
  const [, length = '0'] = /^(\d{1,9}) /.exec(message.toString('latin1', 0, 10)) ?? [];
  return length === '0' ? null : { length: Number(length), entry: message.subarray(length.length + 1) };
}
