/** Entries of the audit log as the admin API shows them, in OpenAI's shape. */
import type { AuditEntry } from './entry.ts';

const ID = 'audit_log_';

/** @param seq number of its line. */
export function auditLogId(seq: number): string {
  return ID + seq;
}

/** Null for what names no line. */
export function auditLogSeq(id: string): number | null {
  const digits = id.startsWith(ID) ? id.slice(ID.length) : '';
  return /^[1-9]\d{0,14}$/.test(digits) ? Number(digits) : null;
}

/** Ids of keys; everybody else came by a shell, a console or as a process. */
const KEY = /^(key_[0-9a-z]{16}|[0-9a-f]{16})$/;

export function toAuditLogObject(seq: number, entry: AuditEntry): object {
  const { at, who, ip, project, action, targets, changes, reason, failures, count, settings } = entry;
  const session = { ...(ip === undefined ? {} : { ip_address: ip }), user: { id: who } };
  const actor = KEY.test(who)
    ? {
        type: 'api_key',
        api_key: { id: who, type: 'service_account', service_account: { id: who } },
        session,
      }
    : { type: 'session', session };
  const asked = action.endsWith('.updated') ? 'changes_requested' : 'data';
  return {
    ...{ id: auditLogId(seq), object: 'organization.audit_log', type: action },
    ...{ effective_at: Math.floor(at / 1000), actor },
    ...(project === undefined ? {} : { project: { id: project } }),
    [action]: { id: targets[0] ?? null, ...(changes === undefined ? {} : { [asked]: changes }) },
    // Ours.
    ...{ targets, reason, failures: failures ?? [], count: count ?? 1 },
    ...(settings === undefined ? {} : { settings }),
  };
}
