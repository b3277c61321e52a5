/** What operators do with projects and keys, as the routes of one resource each. */
import { Deeds, KeyOffice, Peppers, ProjectOffice } from '@penstock/access';
import type { Clock } from '@penstock/runtime';
import type { AuditLog, ProjectRecords } from '@penstock/transport';
import { AdminKeysApi } from './admin-keys-api.ts';
import { AuditLogsApi } from './audit-logs-api.ts';
import { ProjectKeysApi } from './project-keys-api.ts';
import { ProjectsApi } from './projects-api.ts';
import { ServiceAccountsApi } from './service-accounts-api.ts';

export interface OrganizationPorts {
  readonly projects: ProjectRecords;
  readonly audit: Pick<AuditLog, 'add' | 'search'>;
}

export function organizationApis(
  { projects: records, audit }: OrganizationPorts,
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
    auditLogs: new AuditLogsApi(audit),
  };
}
