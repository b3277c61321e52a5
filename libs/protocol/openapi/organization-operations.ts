/** Operations of the admin API. */
import { type Operation, paging, query } from './operation.ts';
import { text } from './schema.ts';

const PROJECT = '/v1/organization/projects/{id}';
const ADMIN_KEYS = '/v1/organization/admin_api_keys';

const projects: Operation[] = [
  {
    ...{ method: 'get', path: '/v1/organization/projects', id: 'listProjects', summary: 'List projects' },
    parameters: [query('include_archived', { enum: ['true', 'false'] }), ...paging(100)],
    answers: { 200: ['ProjectList'] },
  },
  {
    ...{
      method: 'post',
      path: '/v1/organization/projects',
      id: 'createProject',
      summary: 'Create a project',
    },
    ...{ body: 'CreateProject', answers: { 200: ['Project'] } },
  },
  {
    ...{ method: 'get', path: PROJECT, id: 'retrieveProject', summary: 'Retrieve a project' },
    answers: { 200: ['Project'] },
  },
  {
    ...{ method: 'post', path: PROJECT, id: 'updateProject', summary: 'Rename a project' },
    ...{ body: 'UpdateProject', answers: { 200: ['Project'] } },
  },
  {
    ...{ method: 'post', path: `${PROJECT}/archive`, id: 'archiveProject' },
    ...{ summary: 'Archive a project: its keys are refused from then on', answers: { 200: ['Project'] } },
  },
  {
    ...{ method: 'get', path: `${PROJECT}/model_permissions`, id: 'retrieveModelPermissions' },
    ...{ summary: 'Which models a project may use', answers: { 200: ['ModelPermissions'] } },
  },
  {
    ...{ method: 'post', path: `${PROJECT}/model_permissions`, id: 'updateModelPermissions' },
    ...{ summary: 'Say which models a project may use', body: 'UpdateModelPermissions' },
    answers: { 200: ['ModelPermissions'] },
  },
  {
    ...{ method: 'delete', path: `${PROJECT}/model_permissions`, id: 'deleteModelPermissions' },
    ...{ summary: 'Let a project use all models', answers: { 200: ['DeletedModelPermissions'] } },
  },
  {
    ...{ method: 'get', path: `${PROJECT}/rate_limits`, id: 'listRateLimits' },
    ...{
      summary: 'List the limits of a project',
      parameters: paging(100),
      answers: { 200: ['RateLimitList'] },
    },
  },
  {
    ...{ method: 'post', path: `${PROJECT}/rate_limits/{limit}`, id: 'updateRateLimit' },
    ...{ summary: 'Set limits of a project for the model behind `rl-`, `*` for all together' },
    ...{ body: 'UpdateRateLimit', answers: { 200: ['RateLimit'] } },
  },
];

const keys: Operation[] = [
  {
    ...{
      method: 'get',
      path: `${PROJECT}/api_keys`,
      id: 'listProjectKeys',
      summary: 'List the keys of a project',
    },
    ...{ parameters: paging(100), answers: { 200: ['ProjectKeyList'] } },
  },
  {
    ...{
      method: 'get',
      path: `${PROJECT}/api_keys/{key}`,
      id: 'retrieveProjectKey',
      summary: 'Retrieve a key',
    },
    answers: { 200: ['ProjectKey'] },
  },
  {
    ...{ method: 'post', path: `${PROJECT}/api_keys/{key}`, id: 'updateProjectKey' },
    ...{ summary: 'Change name, expiry or scopes of a key', body: 'UpdateProjectKey' },
    answers: { 200: ['ProjectKey'] },
  },
  {
    ...{
      method: 'delete',
      path: `${PROJECT}/api_keys/{key}`,
      id: 'deleteProjectKey',
      summary: 'Revoke a key',
    },
    answers: { 200: ['DeletedProjectKey'] },
  },
  {
    ...{ method: 'get', path: `${PROJECT}/service_accounts`, id: 'listServiceAccounts' },
    ...{ summary: 'List the service accounts of a project', parameters: paging(100) },
    answers: { 200: ['ServiceAccountList'] },
  },
  {
    ...{ method: 'post', path: `${PROJECT}/service_accounts`, id: 'createServiceAccount' },
    ...{ summary: 'Create a service account with a key, which is shown this one time' },
    ...{ body: 'CreateServiceAccount', answers: { 200: ['NewServiceAccount'] } },
  },
  {
    ...{ method: 'get', path: `${PROJECT}/service_accounts/{account}`, id: 'retrieveServiceAccount' },
    ...{ summary: 'Retrieve a service account', answers: { 200: ['ServiceAccount'] } },
  },
  {
    ...{ method: 'post', path: `${PROJECT}/service_accounts/{account}`, id: 'updateServiceAccount' },
    ...{
      summary: 'Rename a service account',
      body: 'UpdateServiceAccount',
      answers: { 200: ['ServiceAccount'] },
    },
  },
  {
    ...{ method: 'delete', path: `${PROJECT}/service_accounts/{account}`, id: 'deleteServiceAccount' },
    ...{
      summary: 'Delete a service account, and revoke its keys',
      answers: { 200: ['DeletedServiceAccount'] },
    },
  },
  {
    ...{
      method: 'post',
      path: `${PROJECT}/service_accounts/{account}/api_keys`,
      id: 'createServiceAccountKey',
    },
    ...{ summary: 'Create a further key, which is shown this one time', body: 'CreateServiceAccountKey' },
    answers: { 200: ['NewKey'] },
  },
  {
    ...{ method: 'get', path: ADMIN_KEYS, id: 'listAdminKeys', summary: 'List admin keys' },
    ...{ parameters: paging(100), answers: { 200: ['AdminKeyList'] } },
  },
  {
    ...{ method: 'post', path: ADMIN_KEYS, id: 'createAdminKey' },
    ...{ summary: 'Create an admin key, which is shown this one time', body: 'CreateAdminKey' },
    answers: { 200: ['NewAdminKey'] },
  },
  {
    ...{
      method: 'get',
      path: `${ADMIN_KEYS}/{id}`,
      id: 'retrieveAdminKey',
      summary: 'Retrieve an admin key',
    },
    answers: { 200: ['AdminKey'] },
  },
  {
    ...{ method: 'delete', path: `${ADMIN_KEYS}/{id}`, id: 'deleteAdminKey', summary: 'Revoke an admin key' },
    answers: { 200: ['DeletedAdminKey'] },
  },
];

const texts = { type: 'array', items: text };
const audit: Operation[] = [
  {
    ...{ method: 'get', path: '/v1/organization/audit_logs', id: 'listAuditLogs' },
    summary: 'List what was done and who was refused, newest first',
    parameters: [
      query('limit', { type: 'integer', minimum: 1, maximum: 100 }),
      query('after', text, 'Id of the last item of the previous page.'),
      query('event_types[]', texts, 'As `project.created`.'),
      query('actor_ids[]', texts, 'Ids of keys, users of a shell, names of processes.'),
      query('project_ids[]', texts),
      query('resource_ids[]', texts, 'Ids of what it was done to.'),
      ...['gt', 'gte', 'lt', 'lte'].map(bound =>
        query(`effective_at[${bound}]`, { type: 'integer' }, 'Unix seconds.'),
      ),
    ],
    answers: { 200: ['AuditLogList'] },
  },
];

const usage: Operation[] = [
  {
    ...{ method: 'get', path: '/v1/organization/usage/limits', id: 'listLimitUsage' },
    summary: 'List what projects use of their limits now, those that were active last first',
    parameters: [query('project_ids[]', texts, 'These alone.'), ...paging(100)],
    answers: { 200: ['LimitUsageList'] },
  },
];

export const ORGANIZATION_OPERATIONS: readonly Operation[] = [...projects, ...keys, ...audit, ...usage];
