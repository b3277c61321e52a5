/** Projects and keys as the admin API shows them, in OpenAI's shapes. */
import type { KeyRecord } from './api-key.ts';
import { type Limits, OPENAI_LIMITS, RESOURCE_LIMITS, UNLIMITED, writeDuration } from './limit-names.ts';
import type { Project, ServiceAccount } from './project.ts';

export function toProjectObject({ id, name, createdAt, archivedAt, weight, isInFile }: Project): object {
  return {
    ...{ id, object: 'organization.project', name, created_at: createdAt, archived_at: archivedAt },
    status: archivedAt === null ? 'active' : 'archived',
    weight,
    ...(isInFile === true ? { read_only: true } : {}),
  };
}

export function toServiceAccountObject({ id, name, createdAt }: ServiceAccount): object {
  return { id, object: 'organization.project.service_account', name, role: 'member', created_at: createdAt };
}

/** @param usedAt Unix seconds; null for a key that never was. */
export function toProjectKeyObject(key: KeyRecord, project: Project, usedAt: number | null): object {
  const account = project.serviceAccounts.find(({ id }) => id === key.account);
  const owner = {
    ...{ id: account?.id ?? '', name: account?.name ?? '', role: 'member' },
    created_at: account?.createdAt ?? key.createdAt,
  };
  return {
    ...{ id: key.id, object: 'organization.project.api_key', name: key.name, redacted_value: key.hint },
    ...{ created_at: key.createdAt, last_used_at: usedAt, expires_at: key.expiresAt, scopes: key.scopes },
    owner: { type: 'service_account', service_account: owner },
    owner_project_access: project.archivedAt === null ? 'active' : 'inactive',
  };
}

/** @param value the key itself, which is shown this one time. */
export function toNewKeyObject(key: KeyRecord, value: string): object {
  return {
    ...{ id: key.id, object: 'organization.project.service_account.api_key', name: key.name, value },
    ...{ created_at: key.createdAt, expires_at: key.expiresAt, scopes: key.scopes },
  };
}

/** @param usedAt as for {@link toProjectKeyObject}. */
export function toAdminKeyObject(key: KeyRecord, usedAt: number | null): object {
  return {
    ...{ id: key.id, object: 'organization.admin_api_key', name: key.name, redacted_value: key.hint },
    ...{ created_at: key.createdAt, last_used_at: usedAt, expires_at: key.expiresAt },
    owner: { type: 'service_account', object: 'organization.service_account', role: 'owner', name: key.name },
  };
}

/** Limits of one model, `*` for all together. What is not limited has the largest number in OpenAI's fields, and null in ours. */
export function toRateLimitObject(model: string, limits: Limits): object {
  const openai = Object.entries(OPENAI_LIMITS).map(([shown, name]) => [shown, limits[name] ?? UNLIMITED]);
  const { max_parallel_requests: parallel, max_budget, budget_duration: seconds, shadow } = limits;
  return {
    ...{ id: `rl-${model}`, object: 'project.rate_limit', model, ...Object.fromEntries(openai) },
    ...{ max_parallel_requests: parallel ?? null, max_budget: max_budget ?? null },
    budget_duration: seconds === undefined ? null : writeDuration(seconds),
    ...Object.fromEntries(RESOURCE_LIMITS.map(limit => [limit, limits[limit] ?? null])),
    shadow: shadow === 1,
  };
}

/** What a project uses of its limits. */
export interface LimitUsage {
  readonly id: string;
  readonly name: string | null;
  readonly limits: readonly {
    readonly name: string;
    readonly model: string | null;
    readonly most: number;
    readonly used: number;
    readonly isEnforced: boolean;
  }[];
  readonly refusedToday: Readonly<Record<string, number>>;
}

/** Ours, beside OpenAI's `organization.usage.*.result`. */
export function toLimitUsageObject({ id, name, limits, refusedToday }: LimitUsage): object {
  return {
    ...{ id, object: 'organization.usage.limits.result', project_id: id, project_name: name },
    limits: limits.map(({ name: limit, model, most, used, isEnforced }) => ({
      ...{ name: limit, model, limit: most, used, remaining: Math.max(0, most - used), enforced: isEnforced },
    })),
    refused_today: refusedToday,
  };
}
