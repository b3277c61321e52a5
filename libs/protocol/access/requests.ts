/** Requests of the admin API, in OpenAI's words. What a field would do that does nothing here is refused, so that nobody relies on it. */
import { z } from 'zod';
import { isTenantOfKey } from '../tenant.ts';
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

export const projectCreate = z.looseObject({
  name,
  /** Ours: of a key in `PENSTOCK_API_KEYS`, whose data it takes over. */
  id: z
    .string()
    .refine(isTenantOfKey, 'give the first 16 hex digits of the SHA-256 of a configured key, or leave it out')
    .optional(),
});
export const projectUpdate = z.looseObject({ name: name.optional() });
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
export const rateLimitUpdate = z.strictObject(
  {
    max_requests_per_1_minute: most.optional(),
    max_tokens_per_1_minute: most.optional(),
    max_requests_per_1_day: most.optional(),
    /** Ours. */
    max_parallel_requests: most.optional(),
  },
  {
    error:
      'use max_requests_per_1_minute, max_tokens_per_1_minute, max_requests_per_1_day and max_parallel_requests',
  },
);

/** What a limit in a request of the admin API is called where it is kept: as users of LiteLLM know it. */
export const LIMIT_NAMES: Readonly<Record<keyof z.infer<typeof rateLimitUpdate>, string>> = {
  max_requests_per_1_minute: 'rpm_limit',
  max_tokens_per_1_minute: 'tpm_limit',
  max_requests_per_1_day: 'rpd_limit',
  max_parallel_requests: 'max_parallel_requests',
};
