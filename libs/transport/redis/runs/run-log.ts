/** Logs of stored runs: a Redis list each, and a channel that hints what was appended. */
import { RUN_STATUSES, runKey, runLogChannel, runLogKey } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { AppendOutcome, LogHint, LogSlice, RunLog } from '../../ports/runs/run-log.ts';
import { openRedis, type RedisOptions } from '../connection.ts';

/**
 * Fence, append and hint in one step. The index makes a command that a reconnect sends twice harmless.
 * KEYS run, log · ARGV attempt, entries before, entry, channel · returns followers, −1 fenced, −2 torn
 */
const APPEND = `
local r=redis.call('HMGET',KEYS[1],'status','attempt')
if r[1]~='in_progress' or r[2]~=ARGV[1] then return -1 end
local n=redis.call('LLEN',KEYS[2])
local at=tonumber(ARGV[2])
if n==at+1 then return 0 end
if n~=at then return -2 end
redis.call('RPUSH',KEYS[2],ARGV[3])
if n==0 then redis.call('PEXPIRE',KEYS[2],redis.call('PTTL',KEYS[1])) end
return redis.call('PUBLISH',ARGV[4],(n+1)..' '..ARGV[3])`;

/** Reading of an unfinished log forbids restarting it. KEYS run, log · ARGV from, most */
const SLICE = `
local r=redis.call('HMGET',KEYS[1],'status','attempt','read')
if not r[1] then return false end
if not r[3] and (r[1]=='queued' or r[1]=='in_progress') then redis.call('HSET',KEYS[1],'read','1') end
local e=redis.call('LRANGE',KEYS[2],ARGV[1],ARGV[1]+ARGV[2]-1)
table.insert(e,1,r[2])
table.insert(e,1,r[1])
return e`;

/** KEYS run, log · ARGV attempt */
const RESTART = `
local r=redis.call('HMGET',KEYS[1],'status','attempt','read')
if r[1]~='in_progress' or r[2]~=ARGV[1] or r[3] then return 0 end
redis.call('DEL',KEYS[2])
return 1`;

interface Commands {
  penstockLogAppend(
    run: string,
    log: string,
    attempt: number,
    at: number,
    entry: Buffer,
    channel: string,
  ): Promise<number>;
  penstockLogSliceBuffer(run: string, log: string, from: number, most: number): Promise<Buffer[] | null>;
  penstockLogRestart(run: string, log: string, attempt: number): Promise<number>;
}

type Watcher = (hint: LogHint) => void;

export class RedisRunLog implements RunLog {
  readonly #redis: Redis;
  /** Opened by the first watcher: a worker needs none. */
  #sub: Redis | null = null;
  readonly #options: RedisOptions;
  readonly #watchers = new Map<string, Set<Watcher>>();

  private constructor(options: RedisOptions) {
    this.#options = options;
    this.#redis = openRedis(options, 'runlog');
    this.#redis.defineCommand('penstockLogAppend', { numberOfKeys: 2, lua: APPEND });
    this.#redis.defineCommand('penstockLogSlice', { numberOfKeys: 2, lua: SLICE });
    this.#redis.defineCommand('penstockLogRestart', { numberOfKeys: 2, lua: RESTART });
  }

  static async connect(options: RedisOptions): Promise<RedisRunLog> {
    const log = new RedisRunLog(options);
    await log.#redis.connect();
    return log;
  }

  get #commands(): Commands {
    return this.#redis as unknown as Commands;
  }

  async append(id: string, attempt: number, at: number, entry: Buffer): Promise<AppendOutcome> {
    const [run, log, channel] = [runKey(id), runLogKey(id), runLogChannel(id)];
    const outcome = await this.#commands.penstockLogAppend(run, log, attempt, at, entry, channel);
    if (outcome === -1) return 'fenced';
    return outcome === -2 ? 'torn' : outcome;
  }

  async slice(id: string, from: number, most: number): Promise<LogSlice | null> {
    const found = await this.#commands.penstockLogSliceBuffer(runKey(id), runLogKey(id), from, most);
    const [text, attempt, ...entries] = found ?? [];
    const status = RUN_STATUSES.find(known => known === text?.toString('latin1'));
    return status === undefined ? null : { status, attempt: Number(attempt), entries };
  }

  peek(id: string, from: number, most: number): Promise<Buffer[]> {
    return this.#redis.lrangeBuffer(runLogKey(id), from, from + most - 1);
  }

  async restart(id: string, attempt: number): Promise<boolean> {
    return (await this.#commands.penstockLogRestart(runKey(id), runLogKey(id), attempt)) === 1;
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
      for (const watcher of this.#watchers.get(channel.toString('latin1')) ?? []) watcher(hint);
    });
    this.#sub.connect().catch(() => {});
    return this.#sub;
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
    this.#sub?.disconnect();
  }
}

function readHint(message: Buffer): LogHint {
  const space = message.indexOf(0x20);
  const length = Number(message.toString('latin1', 0, space));
  return length > 0 ? { length, entry: message.subarray(space + 1) } : null;
}
