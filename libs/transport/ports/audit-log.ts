import type { AuditEntry, ChainEnd } from '@penstock/protocol';

/** What was done in a region, and who was refused. Entries are added, and given up only for their age. */
export interface AuditLog {
  /** Whether an entry would be kept now. */
  readonly connected: boolean;
  /** Resolves once the entry is kept. What may not happen without an entry waits for that. */
  add(entry: AuditEntry): Promise<void>;
  /** The latest, newest first. Entries that another version wrote and this one cannot read are left out. */
  list(most: number): Promise<AuditEntry[]>;
  /** Those that are wanted, newest first, of all that are kept as lines of the chain. */
  search(wanted: AuditSearch): Promise<NumberedEntry[]>;
  /** All of it, as it is kept. */
  chain(): Promise<AuditChain>;
}

export interface AuditSearch {
  /** Only what is older than the line of this number; null for all. */
  readonly before: number | null;
  readonly most: number;
  readonly isWanted: (entry: AuditEntry) => boolean;
}

/** An entry with the number of its line, by which it can be named. */
export interface NumberedEntry {
  readonly seq: number;
  readonly entry: AuditEntry;
}

export interface AuditChain {
  /** Oldest first, each JSON: see {@link chainLine}. */
  readonly lines: readonly string[];
  /** Behind the latest line that was given up. */
  readonly start: ChainEnd;
  /** Behind the latest line. */
  readonly end: ChainEnd;
}

/** Lines, beyond which the oldest are given up: some 20 MB. */
export const AUDIT_KEPT = 50_000;
