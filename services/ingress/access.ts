/** Who is let in to an ingress, and what operators do about it. */
import {
  type LimitSettings,
  LimitUse,
  openKeyStore,
  Peppers,
  type ProjectsFile,
  Provisioned,
  ProvisionedRecords,
  type TokenVerifier,
  WrongKeys,
} from '@penstock/access';
import type { Clock, Counter, Logger } from '@penstock/runtime';
import type { AuditLog, LimitLedger, LimitUseRecords, ProjectRecords } from '@penstock/transport';
import { organizationApis } from './api/organization/apis.ts';
import { Authenticator } from './http/auth.ts';
import { RefusedKeys } from './telemetry/refused-keys.ts';

export interface AccessSettings {
  readonly apiKeys: readonly string[];
  readonly adminKeys: readonly string[];
  readonly peppers: readonly string[];
  readonly keyGraceMs: number;
  readonly limits: LimitSettings;
}

export interface AccessPorts {
  readonly projects: ProjectRecords;
  /** Null where there is none. */
  readonly projectsFile: ProjectsFile | null;
  /** Of the identity provider; null where none is trusted. */
  readonly tokens: TokenVerifier | null;
  readonly audit: Pick<AuditLog, 'add' | 'connected' | 'search'>;
  readonly limits: Pick<LimitLedger, 'look'>;
  readonly limitUse: LimitUseRecords;
}

export interface AccessHost {
  readonly clock: Clock;
  readonly log: Logger;
  readonly nextId: () => string;
}

/** @param refused counts refused keys. @param targetOf the model that a name stands for. */
export function accessOf(
  { projects: kept, projectsFile, tokens, audit, limits: ledger, limitUse }: AccessPorts,
  { apiKeys: configured, adminKeys: admins, peppers, keyGraceMs: graceMs, limits: settings }: AccessSettings,
  host: AccessHost,
  refused: Counter<'reason'>,
  targetOf: (name: string) => string,
) {
  const { clock, log } = host;
  const provisioned = projectsFile?.provisioned ?? new Provisioned();
  const records = projectsFile === null ? kept : new ProvisionedRecords(kept, provisioned);
  const keys = openKeyStore({
    ...{ records, provisioned, tokens, configured, admins, graceMs, clock },
    peppers: new Peppers(peppers),
  });
  const use = new LimitUse({ ledger, records: limitUse, projects: records, settings, targetOf, clock });
  const refusedKeys = new RefusedKeys(audit, clock);
  return {
    apis: organizationApis({ projects: records, audit, use }, peppers, host),
    guards: {
      authenticator: new Authenticator({ ring: keys.ring, wrongKeys: new WrongKeys(clock), refused, log }),
      refusedKeys,
    },
    /** Call once a second. */
    tick() {
      void projectsFile?.tick();
      keys.tick();
      refusedKeys.tick();
    },
  };
}
