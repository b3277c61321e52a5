/** Stored runs as Redis hashes. Every change is one script that checks the attempt first, so a zombie changes nothing. */
import {
  type NewRun,
  RUN_STATUSES,
  type RunLogKind,
  type RunResult,
  type RunStatus,
  runKey,
  runLogChannel,
  runLogKey,
  type StoredRun,
} from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { CreateOutcome, Idempotency } from '../../ports/runs/idempotency.ts';
import type { BeginOutcome, FailOutcome, RunEnd, RunStore } from '../../ports/runs/run-store.ts';
import type { RunTtl } from '../../ports/runs/run-ttl.ts';
import { openRedis, type RedisOptions } from '../connection.ts';
import { TAKE_KEY } from '../idempotency.ts';
import { TELL_RUN, WATCH_DEADLINE } from '../webhooks/event-outbox.ts';
import { RedisCompletionList } from './completion-list.ts';
import { resent } from './resent.ts';
import { toRun } from './run-codec.ts';

/** KEYS run, idempotency record · ARGV ttl ms, body digest ('' = none), id, then field, value … */
const CREATE = `${WATCH_DEADLINE}${TAKE_KEY}
if redis.call('EXISTS',KEYS[1])==1 then return {'repeated',ARGV[3]} end
local taken=take_key(KEYS[2],KEYS[1],ARGV[3],ARGV[2],ARGV[1])
if taken then return taken end
redis.call('HSET',KEYS[1],'status','queued','attempt','0','failures','0',unpack(ARGV,4))
redis.call('PEXPIRE',KEYS[1],ARGV[1])
watch_deadline(KEYS[1])
return {'created',ARGV[3]}`;

/** KEYS run · ARGV attempt, worker */
const BEGIN = `
local r=redis.call('HMGET',KEYS[1],'status','attempt')
if r[1]~='queued' and r[1]~='in_progress' then return 'gone' end
if tonumber(r[2])>=tonumber(ARGV[1]) then return 'fenced' end
redis.call('HSET',KEYS[1],'status','in_progress','attempt',ARGV[1],'worker',ARGV[2])
return 'begun'`;

/** Takes back a run that nobody has begun. KEYS run, idempotency record */
const WITHDRAW = `
local r=redis.call('HMGET',KEYS[1],'status','attempt')
if r[1] and (r[1]~='queued' or r[2]~='0') then return 0 end
redis.call('DEL',KEYS[1],KEYS[2])
return 1`;

/**
 * The moment a run becomes final: every way there ends in this function, so what has to happen with it is added here. The log
 * lives on for a while, and whoever follows it is told.
 */
const FINAL = `${TELL_RUN}
local function final(run,log,status,now,logttl,channel,code,ctype,body)
  redis.call('HSET',run,'status',status,'finishedAt',now,'logLength',redis.call('LLEN',log))
  if code then redis.call('HSET',run,'code',code,'type',ctype,'body',body) end
  tell_run(run,status,code or 0)
  if channel~='' then
    redis.call('PEXPIRE',log,logttl)
    redis.call('PUBLISH',channel,'0 ')
  end
end
`;

/** A line of a batch keeps the life it was given: its batch reads it at the end. KEYS run, log · ARGV attempt, status, now ms, log ttl ms, channel ('' = no log), code, content type, body, ttl ms, last entry, its index */
const FINISH = `${FINAL}
local r=redis.call('HMGET',KEYS[1],'status','attempt')
if r[1]~='in_progress' or r[2]~=ARGV[1] then return 0 end
if ARGV[10]~='' and redis.call('LLEN',KEYS[2])==tonumber(ARGV[11]) then redis.call('RPUSH',KEYS[2],ARGV[10]) end
final(KEYS[1],KEYS[2],ARGV[2],ARGV[3],ARGV[4],ARGV[5],ARGV[6],ARGV[7],ARGV[8])
if redis.call('HGET',KEYS[1],'kind')~='batch_line' then redis.call('PEXPIRE',KEYS[1],ARGV[9]) end
return 1`;

/** KEYS run, log · ARGV attempt, most failures, now ms, log ttl ms, channel, code, content type, body */
const FAIL = `${FINAL}
local r=redis.call('HMGET',KEYS[1],'status','attempt')
if (r[1]~='in_progress' and r[1]~='queued') or r[2]~=ARGV[1] then return 'fenced' end
if redis.call('HINCRBY',KEYS[1],'failures',1)<tonumber(ARGV[2]) then
  redis.call('HSET',KEYS[1],'status','queued')
  return 'again'
end
final(KEYS[1],KEYS[2],'failed',ARGV[3],ARGV[4],ARGV[5],ARGV[6],ARGV[7],ARGV[8])
return 'final'`;

/** KEYS run, log · ARGV tenant, now ms, log ttl ms, channel */
const CANCEL = `${FINAL}
local r=redis.call('HMGET',KEYS[1],'status','tenant')
if r[2]~=ARGV[1] then return 0 end
if r[1]=='queued' or r[1]=='in_progress' then final(KEYS[1],KEYS[2],'cancelled',ARGV[2],ARGV[3],ARGV[4]) end
return 1`;

/** Its time is over: a queued run is not begun any more, a running one may take a while longer. KEYS run, log · ARGV now ms, slack ms of running ones, log ttl ms, channel, code, content type, body */
const EXPIRE = `${FINAL}
local r=redis.call('HMGET',KEYS[1],'status','deadlineAt')
if r[1]~='queued' and r[1]~='in_progress' then return 0 end
local slack=r[1]=='queued' and 0 or tonumber(ARGV[2])
if tonumber(ARGV[1])<=tonumber(r[2])+slack then return 0 end
final(KEYS[1],KEYS[2],'failed',ARGV[1],ARGV[3],ARGV[4],ARGV[5],ARGV[6],ARGV[7])
return 1`;

/** KEYS run, log · ARGV deadline, ttl ms */
const REOPEN = `${WATCH_DEADLINE}
local r=redis.call('HMGET',KEYS[1],'status','read')
if r[1]~='failed' and r[1]~='queued' then return 0 end
redis.call('HSET',KEYS[1],'status','queued','failures','0','deadlineAt',ARGV[1])
redis.call('HDEL',KEYS[1],'code','type','body','finishedAt','logLength')
redis.call('PEXPIRE',KEYS[1],ARGV[2])
if r[2] then redis.call('PEXPIRE',KEYS[2],ARGV[2]) else redis.call('DEL',KEYS[2]) end
watch_deadline(KEYS[1])
return 1`;

/** KEYS run · ARGV detail */
const DESCRIBE = `
if redis.call('EXISTS',KEYS[1])==1 then redis.call('HSET',KEYS[1],'detail',ARGV[1]) end`;

const SCRIPTS = { CREATE, WITHDRAW, BEGIN, FINISH, FAIL, CANCEL, EXPIRE, REOPEN, DESCRIBE };
const KEYS: Record<keyof typeof SCRIPTS, number> = {
  ...{ CREATE: 2, WITHDRAW: 2, BEGIN: 1, DESCRIBE: 1 },
  ...{ FINISH: 2, FAIL: 2, CANCEL: 2, EXPIRE: 2, REOPEN: 2 },
};
type Script = (...args: (string | number | Buffer)[]) => Promise<unknown>;

export class RedisRunStore implements RunStore {
  readonly completions: RedisCompletionList;
  readonly #redis: Redis;

  private constructor(redis: Redis) {
    this.#redis = redis;
    this.completions = new RedisCompletionList(redis);
    for (const [name, lua] of Object.entries(SCRIPTS))
      redis.defineCommand(`penstock${name}`, { numberOfKeys: KEYS[name as keyof typeof SCRIPTS], lua });
  }

  static async connect(options: RedisOptions): Promise<RedisRunStore> {
    const redis = openRedis(options, 'runs');
    const store = new RedisRunStore(redis);
    await redis.connect();
    return store;
  }

  #run(name: keyof typeof SCRIPTS, ...args: (string | number | Buffer)[]): Promise<unknown> {
    const commands = this.#redis as unknown as Record<string, Script>;
    return resent(() => (commands[`penstock${name}`] as Script).call(this.#redis, ...args));
  }

  async create(run: NewRun, ttlMs: number, idempotency: Idempotency | null): Promise<CreateOutcome> {
    const { id, ...fields } = run;
    const flat = Object.entries(fields).flatMap(([field, value]) => [field, String(value)]);
    const key = idempotency?.key ?? runKey(id);
    const [kind, known] = (await this.#run(
      'CREATE',
      runKey(id),
      key,
      ttlMs,
      idempotency?.digest ?? '',
      id,
      ...flat,
    )) as [CreateOutcome['kind'], string];
    return kind === 'reused' ? { kind } : { kind, id: known };
  }

  async keep(run: NewRun, end: RunEnd, ttl: RunTtl): Promise<void> {
    const { id, ...fields } = run;
    const { status, result, last } = end;
    const answer = {
      ...{ status, attempt: '1', logLength: last === null ? 0 : 1 },
      code: result.status,
      type: result.contentType,
      finishedAt: result.finishedAt,
    };
    const [key, logKey] = keysOf(id);
    const write = this.#redis
      .multi()
      .hset(key, { ...fields, ...answer, body: result.body })
      .pexpire(key, ttl.recordMs);
    if (last !== null) write.del(logKey).rpush(logKey, last.entry).pexpire(logKey, ttl.logMs);
    await write.exec();
  }

  async withdraw(id: string, idempotencyKey: string | null): Promise<boolean> {
    return (await this.#run('WITHDRAW', runKey(id), idempotencyKey ?? runKey(id))) === 1;
  }

  async begin(id: string, attempt: number, worker: string): Promise<BeginOutcome> {
    return (await this.#run('BEGIN', runKey(id), attempt, worker)) as BeginOutcome;
  }

  async finish(id: string, attempt: number, end: RunEnd, ttl: RunTtl): Promise<boolean> {
    const { status, result, log, last } = end;
    const done = await this.#run(
      'FINISH',
      ...keysOf(id),
      ...[attempt, status, result.finishedAt, ttl.logMs, channelOf(id, log), ...answerOf(result)],
      ...[ttl.recordMs, last?.entry ?? '', last?.at ?? 0],
    );
    return done === 1;
  }

  async fail(
    id: string,
    attempt: number,
    end: Pick<RunEnd, 'result' | 'log'>,
    mostFailures: number,
    ttl: RunTtl,
  ): Promise<FailOutcome> {
    const { result, log } = end;
    const about = [attempt, mostFailures, result.finishedAt, ttl.logMs, channelOf(id, log)];
    return (await this.#run('FAIL', ...keysOf(id), ...about, ...answerOf(result))) as FailOutcome;
  }

  async cancel(run: Pick<NewRun, 'id' | 'tenant' | 'log'>, now: number, ttl: RunTtl): Promise<boolean> {
    const args = [run.tenant, now, ttl.logMs, channelOf(run.id, run.log)];
    return (await this.#run('CANCEL', ...keysOf(run.id), ...args)) === 1;
  }

  async expire(
    run: Pick<NewRun, 'id' | 'log'>,
    error: RunResult,
    slackMs: number,
    ttl: RunTtl,
  ): Promise<boolean> {
    const args = [error.finishedAt, slackMs, ttl.logMs, channelOf(run.id, run.log), ...answerOf(error)];
    return (await this.#run('EXPIRE', ...keysOf(run.id), ...args)) === 1;
  }

  async time(): Promise<number> {
    const [seconds, micros] = await resent(() => this.#redis.time());
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }

  async reopen(id: string, deadlineAt: number, ttlMs: number): Promise<boolean> {
    return (await this.#run('REOPEN', ...keysOf(id), deadlineAt, ttlMs)) === 1;
  }

  async read(id: string): Promise<StoredRun | null> {
    const fields = await resent(() => this.#redis.hgetallBuffer(runKey(id)));
    return Object.keys(fields).length === 0 ? null : toRun(id, fields);
  }

  async describe(id: string, detail: string): Promise<void> {
    await this.#run('DESCRIBE', runKey(id), detail);
  }

  async progress(ids: readonly string[]): Promise<({ status: RunStatus; code: number } | null)[]> {
    const results = await resent(async () => {
      const pipeline = this.#redis.pipeline();
      for (const id of ids) pipeline.hmget(runKey(id), 'status', 'code');
      const all = (await pipeline.exec()) ?? [];
      const failed = all.find(([err]) => err !== null);
      // A record that could not be read is not one that is gone.
      if (failed !== undefined) throw failed[0];
      return all;
    });
    return results.map(([, found]) => {
      const [text, code] = (found ?? []) as (string | null)[];
      const status = RUN_STATUSES.find(known => known === text);
      return status === undefined ? null : { status, code: Number(code ?? 0) };
    });
  }

  async shorten(ids: readonly string[], ttlMs: number): Promise<void> {
    const pipeline = this.#redis.pipeline();
    for (const id of ids) pipeline.pexpire(runKey(id), ttlMs);
    await pipeline.exec();
  }

  async remove(id: string, idempotencyKey: string | null): Promise<void> {
    const keys = [...keysOf(id), ...(idempotencyKey === null ? [] : [idempotencyKey])];
    await resent(() => this.#redis.del(...keys));
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}

function keysOf(id: string): [string, string] {
  return [runKey(id), runLogKey(id)];
}

/** Nobody is told of a run without a log: that would cost every batch line a publish. */
function channelOf(id: string, log: RunLogKind | undefined): string {
  return log === undefined || log === 'none' ? '' : runLogChannel(id);
}

function answerOf({ status, contentType, body }: RunResult): [number, string, Buffer] {
  return [status, contentType, body];
}
