/** Stored runs as Redis hashes. Each change is one script that checks the attempt first, so that no other attempt changes anything. */
import {
  type AttemptKey,
  type NewRun,
  type QueueAddress,
  RUN_DEADLINES_KEY,
  RUN_STATUSES,
  type RunLogKind,
  type RunOutline,
  type RunResult,
  type RunStatus,
  runKey,
  runLogChannel,
  runLogKey,
  runMessageKey,
  runRemovedKey,
  type StoredRun,
} from '@penstock/protocol';
import type { ChainableCommander, Redis } from 'ioredis';
import type { Idempotency, RunCreateOutcome } from '../../ports/runs/idempotency.ts';
import type {
  AttemptEnd,
  BacklogLimits,
  BeginOutcome,
  FailOutcome,
  RunEnd,
  RunStore,
} from '../../ports/runs/run-store.ts';
import type { RunTtl } from '../../ports/runs/run-ttl.ts';
import { dialRedis, type RedisOptions } from '../connection/connection.ts';
import { Replication } from '../connection/replication.ts';
import { memoryOf } from '../memory.ts';
import { RedisScripts } from '../scripts.ts';
import { RedisCompletionList } from './completion-list.ts';
import { resent } from './resent.ts';
import { OUTLINE, placeOf, toFields, toOutline, toRun } from './run-codec.ts';

const SCRIPTS = [
  'runs/create',
  'runs/withdraw',
  'runs/begin',
  'runs/finish',
  'runs/fail',
  'runs/put-back',
  'runs/cancel',
  'runs/expire',
  'runs/reopen',
  'runs/requeue',
  'runs/describe',
  'runs/move',
] as const;
type ScriptName = (typeof SCRIPTS)[number];

/** How often a second is waited until replicas have an answer, before it is sent again: it may be long. */
const FINISH_WAITS = 5;
/** How long a removed run is remembered, for a message of it that comes late, ms. */
const REMOVED_MS = 3_600_000;
/** Sent as bytes: the client measures a string three times, which takes 15 ms for 5 MB. */
const LONG_TEXT = 64 * 1024;

export class RedisRunStore implements RunStore {
  readonly completions: RedisCompletionList;
  readonly #redis: Redis;
  readonly #replication: Replication;
  readonly #scripts: RedisScripts<ScriptName>;

  private constructor(options: RedisOptions, redis: Redis) {
    this.#redis = redis;
    this.completions = new RedisCompletionList(redis);
    this.#replication = new Replication(options, redis, 'runs');
    this.#scripts = new RedisScripts(this.#replication.redis, SCRIPTS);
  }

  static async connect(options: RedisOptions): Promise<RedisRunStore> {
    return new RedisRunStore(options, await dialRedis(options, 'runs'));
  }

  #run(name: ScriptName, ...args: (string | number | Buffer)[]): Promise<unknown> {
    const cheap = args.map(arg =>
      typeof arg === 'string' && arg.length > LONG_TEXT ? Buffer.from(arg) : arg,
    );
    return resent(() => this.#scripts.run(name, ...cheap));
  }

  async create(
    run: NewRun,
    ttlMs: number,
    idempotency: Idempotency | null,
    message: Buffer | null = null,
    limits: BacklogLimits | null = null,
  ): Promise<RunCreateOutcome> {
    const { id } = run;
    const flat = Object.entries(toFields(run)).flatMap(([field, value]) => [field, String(value)]);
    const about = [ttlMs, idempotency?.digest ?? '', id, message ?? '', run.createdAt, run.tenant, run.slug];
    const places = [limits?.tenant, limits?.model, limits?.project];
    const bounds = places.flatMap(most => [most?.messages ?? '', most?.bytes ?? '']);
    const args = [runKey(id), idempotency?.key ?? runKey(id), ...about, ...bounds, ...flat];
    const [kind, known, messages = 0, bytes = 0] = await this.#replication.confirmed(
      async () =>
        (await this.#run('runs/create', ...args)) as [RunCreateOutcome['kind'], string, number?, number?],
      // A line of a batch is made anew from its file.
      () => run.kind !== 'batch_line',
    );
    const before = limits?.project === undefined ? {} : { before: { messages, bytes } };
    if (kind === 'full') return { kind, of: known as 'project' | 'tenant' | 'model', ...before };
    return kind === 'reused' ? { kind } : { kind, id: known, ...(kind === 'created' ? before : {}) };
  }

  async keep(run: NewRun, end: RunEnd, ttl: RunTtl): Promise<void> {
    const { id } = run;
    const { status, result, last } = end;
    const answer = {
      ...{ status, attempt: '1', logLength: last === null ? 0 : 1 },
      code: result.status,
      type: result.contentType,
      finishedAt: result.finishedAt,
    };
    const [key, logKey] = keysOf(id);
    await this.#replication.confirmed(async () => {
      const write = this.#replication.redis
        .multi()
        .hset(key, { ...toFields(run), ...answer, body: result.body })
        .pexpire(key, ttl.recordMs);
      if (last !== null) write.del(logKey).rpush(logKey, last.entry).pexpire(logKey, ttl.logMs);
      await write.exec();
    });
  }

  async withdraw(id: string, idempotencyKey: string | null): Promise<boolean> {
    const args = [runKey(id), idempotencyKey ?? runKey(id), REMOVED_MS];
    return (await this.#run('runs/withdraw', ...args)) === 1;
  }

  async begin(id: string, { number, nonce }: AttemptKey, worker: string): Promise<BeginOutcome> {
    const begin = async () =>
      (await this.#run('runs/begin', runKey(id), number, nonce, worker)) as BeginOutcome;
    // While replicas are away nothing is begun whose answer could not be kept, and nothing is acked that they do not know to be over.
    return this.#replication.confirmed(begin, outcome => outcome !== 'fenced');
  }

  async finish(id: string, { number, nonce }: AttemptKey, end: RunEnd, ttl: RunTtl): Promise<boolean> {
    const { status, result, log, last } = end;
    const about = [number, nonce, status, result.finishedAt, ttl.logMs, channelOf(id, log)];
    const args = [...about, ...answerOf(result), ttl.recordMs, last?.entry ?? '', last?.at ?? 0];
    const finish = () => this.#run('runs/finish', ...keysOf(id), ...args);
    const isStored = (done: unknown) => done === 1;
    return isStored(await this.#replication.confirmed(finish, isStored, FINISH_WAITS));
  }

  async fail(
    id: string,
    { number, nonce }: AttemptKey,
    end: AttemptEnd,
    mostFailures: number,
    ttl: RunTtl,
  ): Promise<FailOutcome> {
    const { result, log, lastWords } = end;
    const about = [number, nonce, mostFailures, result.finishedAt, ttl.logMs, channelOf(id, log)];
    const said = [...answerOf(result), lastWords];
    return this.#replication.confirmed(
      async () => (await this.#run('runs/fail', ...keysOf(id), ...about, ...said)) as FailOutcome,
      outcome => outcome === 'final',
    );
  }

  async putBack(id: string, { number, nonce }: AttemptKey, lastWords: string): Promise<boolean> {
    return (await this.#run('runs/put-back', runKey(id), number, nonce, lastWords)) === 1;
  }

  async cancel(run: Pick<NewRun, 'id' | 'tenant' | 'log'>, now: number, ttl: RunTtl): Promise<boolean> {
    const args = [run.tenant, now, ttl.logMs, channelOf(run.id, run.log)];
    const cancel = () => this.#run('runs/cancel', ...keysOf(run.id), ...args);
    return (await this.#replication.confirmed(cancel)) === 1;
  }

  async expire(
    run: Pick<NewRun, 'id' | 'log'>,
    error: RunResult,
    slackMs: number,
    ttl: RunTtl,
  ): Promise<boolean> {
    const args = [error.finishedAt, slackMs, ttl.logMs, channelOf(run.id, run.log), ...answerOf(error)];
    return (await this.#run('runs/expire', ...keysOf(run.id), ...args)) === 1;
  }

  memory(): Promise<{ usedBytes: number; mostBytes: number | null }> {
    return memoryOf(this.#redis);
  }

  async time(): Promise<number> {
    const [seconds, micros] = await resent(() => this.#redis.time());
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }

  async reopen(id: string, deadlineAt: number, ttlMs: number): Promise<boolean> {
    const reopen = () => this.#run('runs/reopen', ...keysOf(id), deadlineAt, ttlMs);
    return (await this.#replication.confirmed(reopen)) === 1;
  }

  async requeue(id: string, { attempt, worker }: Pick<StoredRun, 'attempt' | 'worker'>): Promise<boolean> {
    const requeue = () => this.#run('runs/requeue', runKey(id), attempt, worker ?? '');
    return (await this.#replication.confirmed(requeue)) === 1;
  }

  message(id: string): Promise<Buffer | null> {
    return resent(() => this.#redis.getBuffer(runMessageKey(id)));
  }

  async read(id: string): Promise<StoredRun | null> {
    const fields = await resent(() => this.#redis.hgetallBuffer(runKey(id)));
    return Object.keys(fields).length === 0 ? null : toRun(id, fields);
  }

  async outlines(ids: readonly string[]): Promise<(RunOutline | null)[]> {
    const { fields, measured } = OUTLINE;
    const found = await resent(() =>
      pipelined(this.#redis, pipeline => {
        for (const id of ids) {
          pipeline.hmgetBuffer(runKey(id), ...fields);
          for (const field of measured) pipeline.hstrlen(runKey(id), field);
        }
      }),
    );
    const each = 1 + measured.length;
    return ids.map((id, i) => {
      const [values, ...lengths] = found.slice(i * each, (i + 1) * each);
      const bytes = (lengths as number[]).reduce((sum, length) => sum + length, 0);
      return toOutline(id, values as (Buffer | null)[], bytes);
    });
  }

  async describe(id: string, detail: string, labels: Readonly<Record<string, string>>): Promise<void> {
    await this.#run('runs/describe', runKey(id), detail, JSON.stringify(labels));
  }

  async move(id: string, address: QueueAddress): Promise<boolean> {
    const { stream, subject } = placeOf(address);
    return (await this.#run('runs/move', runKey(id), stream, subject)) === 1;
  }

  async progress(ids: readonly string[]): Promise<({ status: RunStatus; code: number } | null)[]> {
    const results = await resent(() =>
      pipelined(this.#redis, pipeline => {
        for (const id of ids) pipeline.hmget(runKey(id), 'status', 'code');
      }),
    );
    return results.map(found => {
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
    const keys = [...keysOf(id), runMessageKey(id), ...(idempotencyKey === null ? [] : [idempotencyKey])];
    const remove = () => {
      const removed = this.#redis
        .multi()
        .del(...keys)
        .zrem(RUN_DEADLINES_KEY, id);
      return removed.set(runRemovedKey(id), '1', 'PX', REMOVED_MS).exec();
    };
    await resent(remove);
  }

  async close(): Promise<void> {
    this.#replication.close();
    this.#redis.disconnect();
  }
}

/** @throws where one of the commands fails: a record that could not be read is not one that is gone. */
async function pipelined(redis: Redis, fill: (pipeline: ChainableCommander) => void): Promise<unknown[]> {
  const pipeline = redis.pipeline();
  fill(pipeline);
  return ((await pipeline.exec()) ?? []).map(([err, found]) => {
    if (err !== null) throw err;
    return found;
  });
}

function keysOf(id: string): [string, string] {
  return [runKey(id), runLogKey(id)];
}

/** Empty for a run without a log: nobody follows it, and a publish for every batch line would cost too much. */
function channelOf(id: string, log: RunLogKind | undefined): string {
  return log === undefined || log === 'none' ? '' : runLogChannel(id);
}

function answerOf({ status, contentType, body }: RunResult): [number, string, Buffer] {
  return [status, contentType, body];
}
