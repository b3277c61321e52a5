/** What the in-memory run store and run log share: records with their logs, each gone when its time is over. */
import {
  type AttemptKey,
  isFinalStatus,
  type NewRun,
  NO_NONCE,
  type RunLogKind,
  type RunResult,
  type StoredRun,
} from '@penstock/protocol';
import type { LogHint } from '../../ports/runs/run-log.ts';
import type { MemoryClock } from '../clock.ts';

export interface RunRecord {
  run: StoredRun;
  failures: number;
  /** Of the current attempt. */
  nonce: number;
  expiresAt: number;
  /** Whether a client has read the log while the run was open. */
  wasRead: boolean;
}

interface Log {
  readonly entries: Buffer[];
  expiresAt: number;
}

export class RunRecords {
  readonly clock: MemoryClock;
  readonly #records = new Map<string, RunRecord>();
  readonly #logs = new Map<string, Log>();
  readonly #watchers = new Map<string, Set<(hint: LogHint) => void>>();

  constructor(clock: MemoryClock) {
    this.clock = clock;
  }

  get(id: string): RunRecord | undefined {
    const record = this.#records.get(id);
    if (record !== undefined && record.expiresAt <= this.clock.now()) this.#records.delete(id);
    return this.#records.get(id);
  }

  /** The record of an open run whose current attempt this is. */
  current(id: string, { number, nonce }: AttemptKey): RunRecord | undefined {
    const record = this.open(id);
    return record?.run.attempt === number && record.nonce === nonce ? record : undefined;
  }

  /** Whether the attempt has stored such an end already. */
  isFinishedBy(id: string, { number, nonce }: AttemptKey, status: StoredRun['status']): boolean {
    const record = this.get(id);
    const isOwn = record?.run.attempt === number && record.nonce === nonce && nonce !== NO_NONCE;
    return isOwn && record.run.status === status;
  }

  open(id: string): RunRecord | undefined {
    const record = this.get(id);
    return record === undefined || isFinalStatus(record.run.status) ? undefined : record;
  }

  /** In the order of their ids, without lines of batches. */
  openIds(): string[] {
    return [...this.#records.keys()]
      .filter(id => (this.open(id)?.run.kind ?? 'batch_line') !== 'batch_line')
      .sort();
  }

  add(run: NewRun, state: Pick<StoredRun, 'status' | 'attempt' | 'logLength' | 'result'>, lifeMs: number) {
    const stored: StoredRun = { ...run, log: run.log ?? 'none', worker: null, ...state };
    const record = {
      run: stored,
      failures: 0,
      nonce: NO_NONCE,
      wasRead: false,
      expiresAt: this.clock.now() + lifeMs,
    };
    this.#records.set(run.id, record);
  }

  change(record: RunRecord, change: Partial<StoredRun>): void {
    record.run = { ...record.run, ...change };
  }

  remove(id: string): void {
    this.#records.delete(id);
    this.#logs.delete(id);
  }

  log(id: string): Buffer[] {
    const log = this.#logs.get(id);
    if (log !== undefined && log.expiresAt <= this.clock.now()) this.#logs.delete(id);
    return this.#logs.get(id)?.entries ?? [];
  }

  append(id: string, entry: Buffer): void {
    if (this.log(id).length === 0)
      this.#logs.set(id, { entries: [], expiresAt: this.get(id)?.expiresAt ?? this.clock.now() });
    this.#logs.get(id)?.entries.push(entry);
  }

  keepLog(id: string, lifeMs: number): void {
    const log = this.#logs.get(id);
    if (log !== undefined) log.expiresAt = this.clock.now() + lifeMs;
  }

  dropLog(id: string): void {
    this.#logs.delete(id);
  }

  /** As the Lua function `final` does. */
  finish(
    record: RunRecord,
    end: { status: StoredRun['status']; result: RunResult | null; log: RunLogKind | undefined },
    logMs: number,
  ): void {
    const { id } = record.run;
    this.change(record, { status: end.status, result: end.result, logLength: this.log(id).length });
    if (end.log === undefined || end.log === 'none') return;
    this.keepLog(id, logMs);
    this.hint(id, null);
  }

  /** @returns how many are told. */
  hint(id: string, hint: LogHint): number {
    const watchers = this.#watchers.get(id) ?? new Set();
    for (const watcher of watchers) queueMicrotask(() => watcher(hint));
    return watchers.size;
  }

  watch(id: string, onHint: (hint: LogHint) => void): () => void {
    const watchers = this.#watchers.get(id) ?? new Set();
    this.#watchers.set(id, watchers.add(onHint));
    return () => watchers.delete(onHint);
  }
}
