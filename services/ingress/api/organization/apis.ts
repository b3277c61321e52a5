/** What operators do with projects and keys, as the routes of one resource each. */
import { Deeds, KeyOffice, type LimitUse, Peppers, ProjectOffice } from '@penstock/access';
import type { Clock } from '@penstock/runtime';
import type { AuditLog, ProjectRecords } from '@penstock/transport';
import { AdminKeysApi } from './admin-keys-api.ts';
import { AuditLogsApi } from './audit-logs-api.ts';
import { ProjectKeysApi } from './project-keys-api.ts';
import { ProjectsApi } from './projects-api.ts';
import { ServiceAccountsApi } from './service-accounts-api.ts';
import { UsageLimitsApi } from './usage-limits-api.ts';

export interface OrganizationPorts {
  readonly projects: ProjectRecords;
  readonly audit: Pick<AuditLog, 'add' | 'search'>;
  readonly use: Pick<LimitUse, 'latest' | 'of'>;
}

export function organizationApis(
  { projects: records, audit, use }: OrganizationPorts,
  peppers: readonly string[],
  { nextId, clock }: { readonly nextId: () => string; readonly clock: Clock },
) {
  const deeds = new Deeds(audit, clock);
  const projects = new ProjectOffice({ records, deeds, nextId, clock });
  const keys = new KeyOffice({ records, deeds, peppers: new Peppers(peppers), clock });
  return {
    projects: new ProjectsApi(projects),
    projectKeys: new ProjectKeysApi(projects, keys),
    serviceAccounts: new ServiceAccountsApi(projects, keys),
    adminKeys: new AdminKeysApi(keys),
    usageLimits: new UsageLimitsApi(use),
    auditLogs: new AuditLogsApi(audit),
  };
}
