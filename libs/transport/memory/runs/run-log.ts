/** Logs of the runs in a {@link MemoryRunStore}. */
import type { AttemptKey } from '@penstock/protocol';
import {
  type AppendOutcome,
  type LogHint,
  type LogSlice,
  type RunLog,
  SLICE_BYTES,
} from '../../ports/runs/run-log.ts';
import type { RunRecords } from './run-records.ts';
import type { MemoryRunStore } from './run-store.ts';

export class MemoryRunLog implements RunLog {
  readonly #records: RunRecords;

  constructor(store: MemoryRunStore) {
    this.#records = store.records;
  }

  async append(id: string, attempt: AttemptKey, at: number, entry: Buffer): Promise<AppendOutcome> {
    if (this.#records.current(id, attempt)?.run.status !== 'in_progress') return 'fenced';
    const { length } = this.#records.log(id);
    if (length === at + 1) return 0;
    if (length !== at) return 'torn';
    this.#records.append(id, entry);
    return this.#records.hint(id, { length: length + 1, entry });
  }

  async slice(id: string, from: number, most: number): Promise<LogSlice | null> {
    const record = this.#records.get(id);
    if (record === undefined) return null;
    if (this.#records.open(id) !== undefined) record.wasRead = true;
    const { status, attempt } = record.run;
    const entries: Buffer[] = [];
    let bytes = 0;
    for (const entry of await this.peek(id, from, most)) {
      if (bytes > 0 && bytes + entry.length > SLICE_BYTES) break;
      bytes += entry.length;
      entries.push(entry);
    }
    return { status, attempt, entries, isAll: from + entries.length >= this.#records.log(id).length };
  }

  async peek(id: string, from: number, most: number): Promise<readonly Buffer[]> {
    return this.#records.log(id).slice(from, from + most);
  }

  async restart(id: string, attempt: AttemptKey): Promise<boolean> {
    const record = this.#records.current(id, attempt);
    if (record?.run.status !== 'in_progress' || record.wasRead) return false;
    this.#records.dropLog(id);
    return true;
  }

  async watch(id: string, onHint: (hint: LogHint) => void): Promise<() => void> {
    return this.#records.watch(id, onHint);
  }

  async close(): Promise<void> {}
}
