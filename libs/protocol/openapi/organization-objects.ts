/** What the admin API answers with. */
import { LIMITS, OPENAI_LIMITS, RESOURCE_LIMITS } from '../access/limit-names.ts';
import { count, flag, type JsonSchema, list, nullable, object, ref, seconds, text } from './schema.ts';

const pageOf = (item: string) =>
  object({
    object: { const: 'list' },
    data: list(ref(item)),
    first_id: nullable(text),
    last_id: nullable(text),
    has_more: flag,
  });
const deleted = (kind: string) => object({ id: text, object: { const: kind }, deleted: { const: true } });

const account = {
  ...{ id: text, object: { const: 'organization.project.service_account' }, name: text },
  ...{ role: { const: 'member' }, created_at: seconds },
};
const newKey = {
  ...{ id: text, object: { const: 'organization.project.service_account.api_key' }, name: text, value: text },
  ...{ created_at: seconds, expires_at: nullable(seconds), scopes: nullable(list(text)) },
};
const adminKey = {
  ...{ id: text, object: { const: 'organization.admin_api_key' }, name: text, redacted_value: text },
  ...{
    created_at: seconds,
    last_used_at: nullable(seconds),
    expires_at: nullable(seconds),
    owner: object({}),
  },
};

export const ORGANIZATION_OBJECTS: Readonly<Record<string, JsonSchema>> = {
  Project: object(
    {
      ...{ id: text, object: { const: 'organization.project' }, name: text, created_at: seconds },
      ...{ archived_at: nullable(seconds), status: { enum: ['active', 'archived'] } },
      weight: count,
    },
    { read_only: { const: true } },
  ),
  ProjectList: pageOf('Project'),
  ModelPermissions: object({
    object: { const: 'project.model_permissions' },
    mode: { enum: ['allow_list', 'deny_list'] },
    model_ids: list(text),
  }),
  DeletedModelPermissions: object({
    object: { const: 'project.model_permissions.deleted' },
    deleted: { const: true },
  }),
  RateLimit: object({
    ...{ id: text, object: { const: 'project.rate_limit' }, model: text },
    ...Object.fromEntries(Object.keys(OPENAI_LIMITS).map(name => [name, count])),
    max_parallel_requests: nullable(count),
    ...{
      max_budget: nullable({ type: 'number' }),
      budget_duration: nullable(text),
      ...Object.fromEntries(RESOURCE_LIMITS.map(name => [name, nullable(count)])),
      shadow: { type: 'boolean' },
    },
  }),
  RateLimitList: pageOf('RateLimit'),
  ServiceAccount: object(account),
  ServiceAccountList: pageOf('ServiceAccount'),
  NewServiceAccount: object({ ...account, api_key: nullable(ref('NewKey')) }),
  DeletedServiceAccount: deleted('organization.project.service_account.deleted'),
  NewKey: object(newKey),
  ProjectKey: object({
    ...{ id: text, object: { const: 'organization.project.api_key' }, name: text, redacted_value: text },
    ...{ created_at: seconds, last_used_at: nullable(seconds), expires_at: nullable(seconds) },
    ...{ scopes: nullable(list(text)), owner: object({ type: { const: 'service_account' } }) },
    owner_project_access: { enum: ['active', 'inactive'] },
  }),
  ProjectKeyList: pageOf('ProjectKey'),
  DeletedProjectKey: deleted('organization.project.api_key.deleted'),
  AdminKey: object(adminKey),
  AdminKeyList: pageOf('AdminKey'),
  NewAdminKey: object({ ...adminKey, value: text }),
  AuditLog: object({
    ...{ id: text, object: { const: 'organization.audit_log' }, type: text, effective_at: seconds },
    ...{ actor: object({ type: { enum: ['api_key', 'session'] } }), targets: list(text), reason: text },
    ...{ failures: list(text), count },
  }),
  AuditLogList: pageOf('AuditLog'),
  LimitUsage: object({
    ...{ id: text, object: { const: 'organization.usage.limits.result' }, project_id: text },
    project_name: nullable(text),
    limits: list(
      object({
        ...{ name: { enum: LIMITS.filter(name => !['shadow', 'budget_duration'].includes(name)) } },
        ...{ model: nullable(text), limit: { type: 'number' }, used: { type: 'number' } },
        ...{ remaining: { type: 'number' }, enforced: flag },
      }),
    ),
    refused_today: { type: 'object', additionalProperties: count },
  }),
  LimitUsageList: pageOf('LimitUsage'),
  DeletedAdminKey: deleted('organization.admin_api_key.deleted'),
};
