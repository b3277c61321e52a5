/** The entry of the audit log with which a process begins: with which settings, on which machine. */
import { hostname } from 'node:os';
import type { AuditEntry } from '@penstock/protocol';
import type { z } from 'zod';
import { VERSION } from '../installation.ts';
import type { Logger } from '../logs/logger.ts';
import { shownSettings } from './shown-settings.ts';

export interface StartNoted {
  readonly audit: { add(entry: AuditEntry): Promise<void> };
  /** Of the process. */
  readonly name: string;
  readonly schema: z.ZodObject;
  readonly clock: { now(): number };
  readonly log: Pick<Logger, 'error'>;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Holds up nobody: a process that could not note that it began serves all the same, and says so in its log. */
export function noteStart({ audit, name, schema, clock, log, env = process.env }: StartNoted): void {
  audit
    .add({
      ...{ at: clock.now(), who: name, action: 'process.start', targets: [hostname()], reason: VERSION },
      settings: shownSettings(schema, env),
    })
    .catch((err: unknown) => log.error({ err }, 'the audit log cannot be written'));
}
