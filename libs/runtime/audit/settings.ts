/** The audit log, at every process that adds to it. */
import type { ChainEnd } from '@penstock/protocol';
import { z } from 'zod';
import type { Logger } from '../logs/logger.ts';

export const auditSettings = {
  PENSTOCK_AUDIT_DAYS: z.coerce
    .number()
    .int()
    .min(1)
    .max(3650)
    .default(365)
    .describe('How long entries of the audit log are kept, days; of the latest 50,000.'),
};

/** How a process keeps the audit log of its region, by its settings. */
export function auditOptions(
  settings: { readonly PENSTOCK_REGION: string; readonly PENSTOCK_AUDIT_DAYS: number },
  log: Pick<Logger, 'info'>,
) {
  return {
    ...{ region: settings.PENSTOCK_REGION, days: settings.PENSTOCK_AUDIT_DAYS },
    onEnd: ({ seq, hash }: ChainEnd) => log.info({ seq, hash }, 'audit log'),
  };
}
