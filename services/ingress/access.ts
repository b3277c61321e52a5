/** Who is let in to an ingress, and what operators do about it. */
import {
  openKeyStore,
  Peppers,
  type ProjectsFile,
  Provisioned,
  ProvisionedRecords,
  type TokenVerifier,
  WrongKeys,
} from '@penstock/access';
import type { Clock, Counter, Logger } from '@penstock/runtime';
import type { AuditLog, ProjectRecords } from '@penstock/transport';
import { organizationApis } from './api/organization/apis.ts';
import { Authenticator } from './http/auth.ts';
import { RefusedKeys } from './telemetry/refused-keys.ts';

export interface AccessSettings {
  readonly apiKeys: readonly string[];
  readonly adminKeys: readonly string[];
  readonly peppers: readonly string[];
  readonly keyGraceMs: number;
}

export interface AccessPorts {
  readonly projects: ProjectRecords;
  /** Null where there is none. */
  readonly projectsFile: ProjectsFile | null;
  /** Of the identity provider; null where none is trusted. */
  readonly tokens: TokenVerifier | null;
  readonly audit: Pick<AuditLog, 'add' | 'connected' | 'search'>;
}

export interface AccessHost {
  readonly clock: Clock;
  readonly log: Logger;
  readonly nextId: () => string;
}

/** @param refused counts refused keys. */
export function accessOf(
  { projects: kept, projectsFile, tokens, audit }: AccessPorts,
  { apiKeys: configured, adminKeys: admins, peppers, keyGraceMs: graceMs }: AccessSettings,
  host: AccessHost,
  refused: Counter<'reason'>,
) {
  const { clock, log } = host;
  const provisioned = projectsFile?.provisioned ?? new Provisioned();
  const records = projectsFile === null ? kept : new ProvisionedRecords(kept, provisioned);
  const keys = openKeyStore({
    ...{ records, provisioned, tokens, configured, admins, graceMs, clock },
    peppers: new Peppers(peppers),
  });
  const refusedKeys = new RefusedKeys(audit, clock);
  return {
    apis: organizationApis({ projects: records, audit }, peppers, host),
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
