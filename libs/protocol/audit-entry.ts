/** What an operator did, as it is kept in Redis: JSON. */
import { z } from 'zod';
import { assertToken } from './wire/token.ts';

const auditEntry = z.object({
  /** Unix ms. */
  at: z.number(),
  /** Names the key that the operator logged in with. */
  who: z.string(),
  /** What was done, as `worker.drain`. */
  action: z.string(),
  /** What it was done to: names or ids. */
  targets: z.array(z.string()),
  /** In the operator's words. */
  reason: z.string(),
  /** What did not work, for each such target. Absent in the entry that is written before anything is done. */
  failures: z.array(z.string()).optional(),
});
export type AuditEntry = z.infer<typeof auditEntry>;

/** Null for what another version wrote and this one cannot read. */
export function readAuditEntry(text: string): AuditEntry | null {
  try {
    const parsed = auditEntry.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** Redis list of the latest entries of a region, newest first. */
export function auditKey(region: string): string {
  return `penstock:audit:${assertToken(region)}`;
}
