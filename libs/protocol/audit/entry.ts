/** What somebody did, or was refused, as it is kept in the audit log. No prompts, answers, keys or passwords. */
import { z } from 'zod';
import { readRecord } from '../wire/json-message.ts';
import { assertToken } from '../wire/token.ts';

const auditEntry = z.object({
  /** Unix ms. */
  at: z.number(),
  /** Who did it: the id of a key, the beginning of the digest of a console's key, `user@host` of a shell, or the name of a process. */
  who: z.string(),
  /** Address that it came from. */
  ip: z.string().optional(),
  /** Whose project it was about. */
  project: z.string().optional(),
  /** What was done, as `worker.drain`. */
  action: z.string(),
  /** What it was done to: names or ids. */
  targets: z.array(z.string()),
  /** In the operator's words; empty where nobody gave one. */
  reason: z.string(),
  /** Fields that were asked for, as the admin API calls them. */
  changes: z.record(z.string(), z.unknown()).optional(),
  /** What did not work, for each such target. Absent in the entry that is written before anything is done. */
  failures: z.array(z.string()).optional(),
  /** How often, where several of a kind are told together. */
  count: z.number().optional(),
  /** Settings by name, of a process that starts. Of secrets only that they are set. */
  settings: z.record(z.string(), z.string()).optional(),
});
export type AuditEntry = z.infer<typeof auditEntry>;

/** Null for what another version wrote and this one cannot read. */
export function readAuditEntry(text: string): AuditEntry | null {
  return readRecord(auditEntry, text);
}

/** @returns null for what is none. */
export function asAuditEntry(value: unknown): AuditEntry | null {
  return auditEntry.safeParse(value).data ?? null;
}

/** Redis list of the entries of a region, a chain of lines, oldest first. */
export function auditKey(region: string): string {
  return `penstock:audit:${assertToken(region)}:lines`;
}

/** Redis hash of the ends of that chain: `seq` and `hash` of the latest line, `firstSeq` and `firstHash` of the one before the oldest. */
export function auditEndsKey(region: string): string {
  return `penstock:audit:${assertToken(region)}:ends`;
}

/** Redis list of entries, newest first, in which earlier versions kept them. */
export function oldAuditKey(region: string): string {
  return `penstock:audit:${assertToken(region)}`;
}
