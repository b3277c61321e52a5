/** What operators do with projects and keys, as the routes of one resource each. */
import { KeyOffice, Peppers, ProjectOffice } from '@penstock/access';
import type { Clock } from '@penstock/runtime';
import type { ProjectRecords } from '@penstock/transport';
import { AdminKeysApi } from './admin-keys-api.ts';
import { ProjectKeysApi } from './project-keys-api.ts';
import { ProjectsApi } from './projects-api.ts';
import { ServiceAccountsApi } from './service-accounts-api.ts';

export function organizationApis(
  records: ProjectRecords,
  peppers: readonly string[],
  { nextId, clock }: { readonly nextId: () => string; readonly clock: Clock },
) {
  const projects = new ProjectOffice({ records, nextId, clock });
  const keys = new KeyOffice({ records, peppers: new Peppers(peppers), clock });
  return {
    projects: new ProjectsApi(projects),
    projectKeys: new ProjectKeysApi(projects, keys),
    serviceAccounts: new ServiceAccountsApi(projects, keys),
    adminKeys: new AdminKeysApi(keys),
  };
}
