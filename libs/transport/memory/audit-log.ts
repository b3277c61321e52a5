import type { AuditEntry } from '@penstock/protocol';
import { AUDIT_KEPT, type AuditLog } from '../ports/audit-log.ts';

export class MemoryAuditLog implements AuditLog {
  #entries: readonly AuditEntry[] = [];

  async add(entry: AuditEntry): Promise<void> {
    this.#entries = [entry, ...this.#entries].slice(0, AUDIT_KEPT);
  }

  async list(most: number): Promise<AuditEntry[]> {
    return this.#entries.slice(0, most);
  }
}
