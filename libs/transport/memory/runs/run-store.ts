/** The run store in memory, with the rules of the Lua scripts. Records end by the clock that is given. */
import {
  type AttemptKey,
  type NewRun,
  NO_NONCE,
  type QueueAddress,
  type RunOutline,
  type RunResult,
  type StoredRun,
} from '@penstock/protocol';
import type { Backlog, Idempotency, RunCreateOutcome } from '../../ports/runs/idempotency.ts';
import type {
  AttemptEnd,
  BacklogLimits,
  BeginOutcome,
  FailOutcome,
  RunEnd,
  RunProgress,
  RunStore,
} from '../../ports/runs/run-store.ts';
import type { RunTtl } from '../../ports/runs/run-ttl.ts';
import type { MemoryClock } from '../clock.ts';
import { MemoryCompletionList } from './completion-list.ts';
import { RunRecords } from './run-records.ts';

export class MemoryRunStore implements RunStore {
  readonly completions = new MemoryCompletionList();
  /** For {@link MemoryRunLog}. */
  readonly records: RunRecords;
  readonly #keys = new Map<string, Idempotency & { id: string }>();
  readonly #messages = new Map<string, Buffer>();
  readonly #removed = new Set<string>();
  /** Runs that another than their first request was answered with. */
  readonly #told = new Set<string>();

  constructor(clock: MemoryClock) {
    this.records = new RunRecords(clock);
  }

  async create(
    run: NewRun,
    ttlMs: number,
    idempotency: Idempotency | null,
    message: Buffer | null = null,
    limits: BacklogLimits | null = null,
  ): Promise<RunCreateOutcome> {
    if (this.records.get(run.id) !== undefined) return { kind: 'repeated', id: run.id };
    const known = idempotency === null ? undefined : this.#keys.get(idempotency.key);
    if (known !== undefined && this.records.get(known.id) !== undefined) {
      if (known.digest !== idempotency?.digest) return { kind: 'reused' };
      this.#told.add(known.id);
      return { kind: 'repeated', id: known.id };
    }
    const before = limits?.project === undefined ? {} : { before: this.#backlogOf(run.tenant) };
    const full = this.#full(run, message?.length ?? 0, limits);
    if (full !== null) return { kind: 'full', of: full, ...before };
    if (idempotency !== null) this.#keys.set(idempotency.key, { ...idempotency, id: run.id });
    this.records.add(run, { status: 'queued', attempt: 0, logLength: 0, result: null }, ttlMs);
    if (message !== null) this.#messages.set(run.id, message);
    return { kind: 'created', id: run.id, ...before };
  }

  #backlogOf(tenant: string): Backlog {
    const own = this.records.openIds().flatMap(id => this.records.open(id)?.run ?? []);
    const ids = own.filter(each => each.tenant === tenant).map(({ id }) => id);
    return {
      messages: ids.length,
      bytes: ids.reduce((sum, id) => sum + (this.#messages.get(id)?.length ?? 0), 0),
    };
  }

  #full(run: NewRun, bytes: number, limits: BacklogLimits | null): 'project' | 'tenant' | 'model' | null {
    const { messages: most = Infinity, bytes: mostBytes = Infinity } = limits?.project ?? {};
    const held = this.#backlogOf(run.tenant);
    if (held.messages + 1 > most || held.bytes + bytes > mostBytes) return 'project';
    const open = this.records.openIds().flatMap(id => this.records.open(id)?.run ?? []);
    const isOver = (own: readonly StoredRun[], most: BacklogLimits['tenant'] | undefined) => {
      if (most === undefined) return false;
      const held = own.reduce((sum, { id }) => sum + (this.#messages.get(id)?.length ?? 0), bytes);
      return own.length + 1 > most.messages || held > most.bytes;
    };
    const { tenant, slug } = run;
    if (
      isOver(
        open.filter(each => each.tenant === tenant),
        limits?.tenant,
      )
    )
      return 'tenant';
    return isOver(
      open.filter(each => each.slug === slug),
      limits?.model,
    )
      ? 'model'
      : null;
  }

  async keep(run: NewRun, { status, result, last }: RunEnd, ttl: RunTtl): Promise<void> {
    const logLength = last === null ? 0 : 1;
    this.records.add(run, { status, attempt: 1, logLength, result }, ttl.recordMs);
    if (last === null) return;
    this.records.dropLog(run.id);
    this.records.append(run.id, last.entry);
    this.records.keepLog(run.id, ttl.logMs);
  }

  async withdraw(id: string, idempotencyKey: string | null): Promise<boolean> {
    const run = this.records.get(id)?.run;
    const isBegun = run !== undefined && (run.status !== 'queued' || run.attempt !== 0);
    if (isBegun || this.#told.has(id)) return false;
    const isOwn = idempotencyKey !== null && this.#keys.get(idempotencyKey)?.id === id;
    await this.remove(id, isOwn ? idempotencyKey : null);
    return true;
  }

  async begin(id: string, attempt: AttemptKey, worker: string): Promise<BeginOutcome> {
    if (this.records.get(id) === undefined && !this.#removed.has(id)) return 'unknown';
    const record = this.records.open(id);
    if (record === undefined) return 'gone';
    const { number, nonce } = attempt;
    if (record.run.status === 'in_progress') {
      if (nonce !== NO_NONCE && this.records.current(id, attempt) !== undefined) return 'begun';
      if (record.run.attempt >= number) return 'fenced';
    }
    this.records.change(record, { status: 'in_progress', attempt: number, worker });
    record.nonce = nonce;
    return 'begun';
  }

  async finish(id: string, attempt: AttemptKey, end: RunEnd, ttl: RunTtl): Promise<boolean> {
    if (this.records.isFinishedBy(id, attempt, end.status)) return true;
    const record = this.records.current(id, attempt);
    if (record?.run.status !== 'in_progress') return false;
    if (end.last !== null && this.records.log(id).length === end.last.at)
      this.records.append(id, end.last.entry);
    this.records.finish(record, end, ttl.logMs);
    // A line of a batch keeps the life it was given: its batch reads it at the end.
    if (record.run.kind !== 'batch_line') this.#setLife(id, ttl.recordMs);
    return true;
  }

  async fail(
    id: string,
    attempt: AttemptKey,
    { result, log, lastWords }: AttemptEnd,
    mostFailures: number,
    ttl: RunTtl,
  ): Promise<FailOutcome> {
    const record = this.records.current(id, attempt);
    if (record === undefined) return 'fenced';
    if (++record.failures < mostFailures) {
      this.records.change(record, { status: 'queued', lastWords });
      return 'again';
    }
    this.records.finish(record, { status: 'failed', result, log }, ttl.logMs);
    return 'final';
  }

  async putBack(id: string, attempt: AttemptKey, lastWords: string): Promise<boolean> {
    const record = this.records.current(id, attempt);
    if (record === undefined) return false;
    this.records.change(record, { status: 'queued', lastWords });
    return true;
  }

  async cancel(run: Pick<NewRun, 'id' | 'tenant' | 'log'>, _now: number, ttl: RunTtl): Promise<boolean> {
    if (this.records.get(run.id)?.run.tenant !== run.tenant) return false;
    const record = this.records.open(run.id);
    if (record !== undefined)
      this.records.finish(record, { status: 'cancelled', result: null, log: run.log }, ttl.logMs);
    return true;
  }

  async expire(
    run: Pick<NewRun, 'id' | 'log'>,
    error: RunResult,
    slackMs: number,
    ttl: RunTtl,
  ): Promise<boolean> {
    const record = this.records.open(run.id);
    if (record === undefined) return false;
    const slack = record.run.status === 'queued' ? 0 : slackMs;
    if (error.finishedAt <= record.run.deadlineAt + slack) return false;
    this.records.finish(record, { status: 'failed', result: error, log: run.log }, ttl.logMs);
    return true;
  }

  async memory(): Promise<{ usedBytes: number; mostBytes: number | null }> {
    return { usedBytes: 0, mostBytes: null };
  }

  async time(): Promise<number> {
    return this.records.clock.now();
  }

  async reopen(id: string, deadlineAt: number, ttlMs: number): Promise<boolean> {
    const record = this.records.get(id);
    if (record?.run.status !== 'failed' && record?.run.status !== 'queued') return false;
    record.failures = 0;
    const { lastWords: _words, ...rest } = record.run;
    record.run = rest;
    this.records.change(record, { status: 'queued', deadlineAt, result: null, logLength: 0 });
    this.#setLife(id, ttlMs);
    if (record.wasRead) this.records.keepLog(id, ttlMs);
    else this.records.dropLog(id);
    return true;
  }

  async requeue(id: string, { attempt, worker }: Pick<StoredRun, 'attempt' | 'worker'>): Promise<boolean> {
    const record = this.records.open(id);
    if (record?.run.attempt !== attempt || record.run.worker !== worker) return false;
    this.records.change(record, { status: 'queued' });
    return true;
  }

  async message(id: string): Promise<Buffer | null> {
    return this.records.open(id) === undefined ? null : (this.#messages.get(id) ?? null);
  }

  async read(id: string): Promise<StoredRun | null> {
    return this.records.get(id)?.run ?? null;
  }

  async outlines(ids: readonly string[]): Promise<(RunOutline | null)[]> {
    return ids.map(id => {
      const run = this.records.get(id)?.run;
      if (run === undefined) return null;
      const { detail, result, ...outline } = run;
      const bytes = Buffer.byteLength(detail) + (result?.body.length ?? 0);
      return { ...outline, code: result?.status ?? 0, finishedAt: result?.finishedAt ?? 0, bytes };
    });
  }

  async describe(id: string, detail: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const record = this.records.get(id);
    if (record !== undefined) this.records.change(record, { detail, labels });
  }

  async move(id: string, address: QueueAddress): Promise<boolean> {
    const record = this.records.open(id);
    if (record !== undefined) this.records.change(record, { address });
    return record !== undefined;
  }

  async progress(ids: readonly string[]): Promise<(RunProgress | null)[]> {
    return ids.map(id => {
      const run = this.records.get(id)?.run;
      return run === undefined ? null : { status: run.status, code: run.result?.status ?? 0 };
    });
  }

  async shorten(ids: readonly string[], ttlMs: number): Promise<void> {
    for (const id of ids) this.#setLife(id, ttlMs);
  }

  async remove(id: string, idempotencyKey: string | null): Promise<void> {
    this.records.remove(id);
    this.#removed.add(id);
    if (idempotencyKey !== null) this.#keys.delete(idempotencyKey);
  }

  async close(): Promise<void> {}

  #setLife(id: string, lifeMs: number): void {
    const record = this.records.get(id);
    if (record !== undefined) record.expiresAt = this.records.clock.now() + lifeMs;
  }
}
