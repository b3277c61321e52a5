/** Stored runs as Redis hashes. Every change is one script that checks the attempt first, so a zombie changes nothing. */
import {
  ENDPOINT_PATHS,
  type Endpoint,
  type NewRun,
  RUN_KINDS,
  RUN_STATUSES,
  type RunResult,
  type RunStatus,
  runKey,
  type StoredRun,
} from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { BeginOutcome, CreateOutcome, FailOutcome, Idempotency, RunStore } from './ports.ts';
import { openRedis, type RedisOptions } from './redis.ts';
import { TELL_RUN } from './redis-outbox.ts';

/** KEYS run, idempotency record · ARGV ttl ms, body digest ('' = none), id, then field, value … */
const CREATE = `
if ARGV[2]~='' then
  local old=redis.call('HMGET',KEYS[2],'id','digest')
  if old[1] then
    if old[2]~=ARGV[2] then return {'reused',''} end
    return {'repeated',old[1]}
  end
  redis.call('HSET',KEYS[2],'id',ARGV[3],'digest',ARGV[2])
  redis.call('PEXPIRE',KEYS[2],ARGV[1])
end
redis.call('HSET',KEYS[1],'status','queued','attempt','0','failures','0',unpack(ARGV,4))
redis.call('PEXPIRE',KEYS[1],ARGV[1])
return {'created',ARGV[3]}`;

/** KEYS run · ARGV attempt, worker */
const BEGIN = `
local r=redis.call('HMGET',KEYS[1],'status','attempt')
if r[1]~='queued' and r[1]~='in_progress' then return 'gone' end
if tonumber(r[2])>=tonumber(ARGV[1]) then return 'fenced' end
redis.call('HSET',KEYS[1],'status','in_progress','attempt',ARGV[1],'worker',ARGV[2])
return 'begun'`;

/** KEYS run · ARGV attempt, code, content type, body, ttl ms, now ms */
const FINISH = `${TELL_RUN}
local r=redis.call('HMGET',KEYS[1],'status','attempt')
if r[1]~='in_progress' or r[2]~=ARGV[1] then return 0 end
redis.call('HSET',KEYS[1],'status','completed','code',ARGV[2],'type',ARGV[3],'body',ARGV[4],'finishedAt',ARGV[6])
redis.call('PEXPIRE',KEYS[1],ARGV[5])
tell_run(KEYS[1],'completed',ARGV[2],ARGV[4])
return 1`;

/** KEYS run · ARGV attempt, code, content type, body, most failures, now ms */
const FAIL = `${TELL_RUN}
local r=redis.call('HMGET',KEYS[1],'status','attempt')
if (r[1]~='in_progress' and r[1]~='queued') or r[2]~=ARGV[1] then return 'fenced' end
if redis.call('HINCRBY',KEYS[1],'failures',1)<tonumber(ARGV[5]) then
  redis.call('HSET',KEYS[1],'status','queued')
  return 'again'
end
redis.call('HSET',KEYS[1],'status','failed','code',ARGV[2],'type',ARGV[3],'body',ARGV[4],'finishedAt',ARGV[6])
tell_run(KEYS[1],'failed',ARGV[2],ARGV[4])
return 'final'`;

/** KEYS run · ARGV tenant */
const CANCEL = `${TELL_RUN}
local r=redis.call('HMGET',KEYS[1],'status','tenant')
if r[2]~=ARGV[1] then return 0 end
if r[1]=='queued' or r[1]=='in_progress' then
  redis.call('HSET',KEYS[1],'status','cancelled')
  tell_run(KEYS[1],'cancelled',0,'')
end
return 1`;

const SCRIPTS = { CREATE, BEGIN, FINISH, FAIL, CANCEL };
const KEYS: Record<keyof typeof SCRIPTS, number> = { CREATE: 2, BEGIN: 1, FINISH: 1, FAIL: 1, CANCEL: 1 };
type Script = (...args: (string | number | Buffer)[]) => Promise<unknown>;

export class RedisRunStore implements RunStore {
  readonly #redis: Redis;

  private constructor(redis: Redis) {
    this.#redis = redis;
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
    return (commands[`penstock${name}`] as Script).call(this.#redis, ...args);
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

  async keep(run: NewRun, result: RunResult, ttlMs: number): Promise<void> {
    const { id, ...fields } = run;
    const answer = {
      status: 'completed',
      attempt: '1',
      code: result.status,
      type: result.contentType,
      finishedAt: result.finishedAt,
    };
    await this.#redis
      .multi()
      .hset(runKey(id), { ...fields, ...answer, body: result.body })
      .pexpire(runKey(id), ttlMs)
      .exec();
  }

  async begin(id: string, attempt: number, worker: string): Promise<BeginOutcome> {
    return (await this.#run('BEGIN', runKey(id), attempt, worker)) as BeginOutcome;
  }

  async finish(id: string, attempt: number, result: RunResult, ttlMs: number): Promise<boolean> {
    const { status, contentType, body, finishedAt } = result;
    const args = [attempt, status, contentType, body, ttlMs, finishedAt];
    return (await this.#run('FINISH', runKey(id), ...args)) === 1;
  }

  async fail(id: string, attempt: number, error: RunResult, mostFailures: number): Promise<FailOutcome> {
    const { status, contentType, body, finishedAt } = error;
    const args = [attempt, status, contentType, body, mostFailures, finishedAt];
    return (await this.#run('FAIL', runKey(id), ...args)) as FailOutcome;
  }

  async cancel(id: string, tenant: string): Promise<boolean> {
    return (await this.#run('CANCEL', runKey(id), tenant)) === 1;
  }

  async read(id: string): Promise<StoredRun | null> {
    const fields = await this.#redis.hgetallBuffer(runKey(id));
    return Object.keys(fields).length === 0 ? null : toRun(id, fields);
  }

  async progress(ids: readonly string[]): Promise<({ status: RunStatus; code: number } | null)[]> {
    const pipeline = this.#redis.pipeline();
    for (const id of ids) pipeline.hmget(runKey(id), 'status', 'code');
    const results = (await pipeline.exec()) ?? [];
    return results.map(([, found]) => {
      const [text, code] = (found ?? []) as (string | null)[];
      const status = RUN_STATUSES.find(known => known === text);
      return status === undefined ? null : { status, code: Number(code ?? 0) };
    });
  }

  async remove(id: string, idempotencyKey: string | null): Promise<void> {
    await this.#redis.del(runKey(id), ...(idempotencyKey === null ? [] : [idempotencyKey]));
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}

function toRun(id: string, fields: Record<string, Buffer>): StoredRun | null {
  const text = (name: string) => fields[name]?.toString('utf8') ?? '';
  const status = RUN_STATUSES.find(known => known === text('status'));
  const endpoint = text('endpoint') as Endpoint;
  if (status === undefined || !Object.hasOwn(ENDPOINT_PATHS, endpoint)) return null;
  const { body } = fields;
  return {
    id,
    kind: RUN_KINDS.find(known => known === text('kind')) ?? 'job',
    detail: text('detail'),
    tenant: text('tenant'),
    endpoint,
    model: text('model'),
    slug: text('slug'),
    stream: text('stream'),
    subject: text('subject'),
    createdAt: Number(text('createdAt')),
    deadlineAt: Number(text('deadlineAt')),
    status,
    worker: text('worker') || null,
    attempt: Number(text('attempt')),
    result: body === undefined ? null : toResult(text, body),
  };
}

function toResult(text: (name: string) => string, body: Buffer): RunResult {
  const [status, finishedAt] = [Number(text('code')), Number(text('finishedAt'))];
  return { status, contentType: text('type'), body, finishedAt };
}
