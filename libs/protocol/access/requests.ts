/** Requests of the admin API, in OpenAI's words. What a field would do that does nothing here is refused, so that nobody relies on it. */
import { z } from 'zod';
import { isTenantOfKey, MOST_WEIGHT } from '../tenant.ts';
import {
  DURATION_USAGE,
  LIMITS,
  OPENAI_LIMITS,
  RESOURCE_LIMITS,
  type ResourceLimit,
  readDuration,
} from './limit-names.ts';
import { isScope, SCOPE_USAGE } from './scopes.ts';

export const name = z
  .string({ error: 'give a name' })
  .trim()
  .min(1, 'give a name')
  .max(128, 'use 128 characters or fewer');
const longest = 10 * 365 * 86_400;
const seconds = z
  .number({ error: 'give it in seconds' })
  .int('give it in whole seconds')
  .min(1, 'give it in seconds')
  .max(longest, `use ten years (${longest}) or less`);
export const scopes = z
  .array(z.string().refine(isScope, SCOPE_USAGE), { error: 'name the scopes in a list' })
  .max(256, 'use 256 scopes or fewer');
export const most = z.number({ error: 'give a number' }).int('give a whole number').min(0, 'give 0 or more');

export const modelNames = z
  .array(z.string().min(1).max(512), { error: 'name the models in a list' })
  .max(1000, 'use 1000 models or fewer');

const WEIGHT = `give a whole number from 1 to ${MOST_WEIGHT}`;
/** Ours: see {@link Project.weight}. */
export const weight = z.int({ error: WEIGHT }).min(1, WEIGHT).max(MOST_WEIGHT, WEIGHT);

export const projectCreate = z.looseObject({
  name,
  weight: weight.optional(),
  /** Ours: of a key in `PENSTOCK_API_KEYS`, whose data it takes over. */
  id: z
    .string()
    .refine(isTenantOfKey, 'give the first 16 hex digits of the SHA-256 of a configured key, or leave it out')
    .optional(),
});
export const projectUpdate = z.looseObject({ name: name.optional(), weight: weight.optional() });
export const serviceAccountCreate = z.looseObject({
  name,
  create_service_account_only: z.boolean().nullish(),
  expires_in_seconds: seconds.nullish(),
  /** Ours: of the key. */
  scopes: scopes.nullish(),
});
export const serviceAccountUpdate = z.looseObject({ name: name.optional() });
export const serviceAccountKeyCreate = z.looseObject({
  name: name.optional(),
  expires_in_seconds: seconds.nullish(),
  scopes: scopes.nullish(),
});
export const projectKeyUpdate = z.looseObject({
  name: name.optional(),
  expires_in_seconds: seconds.nullish(),
  scopes: scopes.nullish(),
});
export const adminKeyCreate = z.looseObject({ name, expires_in_seconds: seconds.nullish() });
export const modelPermissionsUpdate = z.looseObject({
  mode: z.enum(['allow_list', 'deny_list'], { error: 'use allow_list or deny_list' }),
  model_ids: modelNames,
});
export const dollars = z.number({ error: 'give dollars' }).min(0, 'give 0 or more');
export const duration = z
  .string({ error: DURATION_USAGE })
  .refine(text => readDuration(text) !== null, DURATION_USAGE);

/** One field for each limit of what a project keeps. */
export function resourceLimits<T extends z.ZodType>(each: T): Record<ResourceLimit, T> {
  return Object.fromEntries(RESOURCE_LIMITS.map(limit => [limit, each])) as Record<ResourceLimit, T>;
}

/** Null takes a limit of the project away, so that the default of the region holds. */
export const rateLimitUpdate = z.strictObject(
  {
    max_requests_per_1_minute: most.nullish(),
    max_tokens_per_1_minute: most.nullish(),
    max_requests_per_1_day: most.nullish(),
    /** Ours, as LiteLLM has them; the first three say the same as those above. */
    rpm_limit: most.nullish(),
    tpm_limit: most.nullish(),
    rpd_limit: most.nullish(),
    max_parallel_requests: most.nullish(),
    max_budget: dollars.nullish(),
    budget_duration: duration.nullish(),
    ...resourceLimits(most.nullish()),
    /** The limits are only counted. */
    shadow: z.boolean({ error: 'use true or false' }).nullish(),
  },
  {
    error: `use ${[...Object.keys(OPENAI_LIMITS), ...LIMITS].join(', ')}`,
  },
);

/** As a project's record has them; null takes one away. */
export function limitsIn(asked: z.infer<typeof rateLimitUpdate>): Record<string, number | null> {
  const entries = Object.entries(asked).map(([name, value]) => [
    Object.hasOwn(OPENAI_LIMITS, name) ? OPENAI_LIMITS[name as keyof typeof OPENAI_LIMITS] : name,
    typeof value === 'string'
      ? readDuration(value)
      : typeof value === 'boolean'
        ? Number(value)
        : (value ?? null),
  ]);
  return Object.fromEntries(entries) as Record<string, number | null>;
}
