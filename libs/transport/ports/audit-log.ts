import type { AuditEntry } from '@penstock/protocol';

/** What operators did in a region: the latest {@link AUDIT_KEPT} entries, newest first. */
export interface AuditLog {
  /** Resolves once the entry is kept. */
  add(entry: AuditEntry): Promise<void>;
  /** Entries that another version wrote and this one cannot read are left out. */
  list(most: number): Promise<AuditEntry[]>;
}

export const AUDIT_KEPT = 1000;
