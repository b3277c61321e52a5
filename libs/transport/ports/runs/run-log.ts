import type { AttemptKey, RunStatus } from '@penstock/protocol';

/** How many follow the log now; or `fenced`: the attempt is not the current one; or `torn`: the log has another length than expected. */
export type AppendOutcome = number | 'fenced' | 'torn';

export interface LogSlice {
  readonly status: RunStatus;
  readonly attempt: number;
  readonly entries: readonly Buffer[];
  /** Whether the log had no more entries. */
  readonly isAll: boolean;
}

/** `entry` was appended and the log has `length` entries with it; or null: the run is final. */
export type LogHint = { readonly length: number; readonly entry: Buffer } | null;

/** Longest slice of more than one entry. */
export const SLICE_BYTES = 256 * 1024;

/**
 * Logs of stored runs. Promises: only the current attempt appends, and each entry is appended once even when the command
 * is sent twice; a reader that asks for entries by index misses none. Hints may be lost.
 */
export interface RunLog {
  /** @param at number of entries before this one. */
  append(id: string, attempt: AttemptKey, at: number, entry: Buffer): Promise<AppendOutcome>;
  /**
   * Entries from an index on, for a client: from then on an unfinished log is not restarted. Of long ones there are fewer than `most`: no more
   * than {@link SLICE_BYTES}, but one at least. Null for an unknown run.
   */
  slice(id: string, from: number, most: number): Promise<LogSlice | null>;
  /** Entries from an index on, for an attempt that resumes the run. The log may still be restarted. */
  peek(id: string, from: number, most: number): Promise<readonly Buffer[]>;
  /** Empties the log for an attempt that starts over, unless a client has read it. @returns whether it did. */
  restart(id: string, attempt: AttemptKey): Promise<boolean>;
  /** @returns a function that stops watching. */
  watch(id: string, onHint: (hint: LogHint) => void): Promise<() => void>;
  close(): Promise<void>;
}
