/** Requests about webhook endpoints, and the operator's configuration of them: the schemas that check both. */
import { z } from 'zod';
import { isTenant, TENANT_RULE } from '../tenant.ts';
import { EVENT_TYPES } from './event.ts';
import { isSecret } from './secret.ts';

const LONGEST_GRACE_S = 7 * 24 * 3600;
const eventType = z.enum(EVENT_TYPES, { error: `use one of ${EVENT_TYPES.join(', ')}` });
const eventTypes = z
  .array(eventType, { error: 'name the event types in a list' })
  .min(1, 'name at least one event type')
  .transform(types => [...new Set(types)]);
const name = z
  .string({ error: 'give the endpoint a name' })
  .min(1, 'give the endpoint a name')
  .max(128, 'use 128 characters or fewer');
const url = z.string({ error: 'give the URL to post to' }).max(2048, 'use 2048 characters or fewer');

export const webhookCreate = z.looseObject({ url, name: name.default('webhook'), event_types: eventTypes });
export const webhookUpdate = z.looseObject({
  url: url.optional(),
  name: name.optional(),
  event_types: eventTypes.optional(),
  status: z.enum(['enabled', 'disabled'], { error: 'use enabled or disabled' }).optional(),
});
export const webhookRotate = z.looseObject({
  keep_old_secret_active_for_24_hours: z.boolean({ error: 'use true or false' }).optional(),
  /** Ours: any other time. */
  keep_old_secret_active_for_s: z
    .number({ error: 'give it in seconds' })
    .int('give it in whole seconds')
    .min(0, 'give it in seconds')
    .max(LONGEST_GRACE_S, 'use a week (604800) or less')
    .optional(),
});
export const webhookTest = z.looseObject({ event_type: eventType });

/** An endpoint in the operator's configuration. */
const configured = z.strictObject({
  api_key: z.string().min(8).optional(),
  tenant: z.string().refine(isTenant, `a tenant is ${TENANT_RULE}`).optional(),
  url: z.string(),
  name: name.default('operator'),
  secret: z.string().refine(isSecret, 'a secret is whsec_ and 24 to 64 bytes in base64'),
  event_types: eventTypes.default([...EVENT_TYPES]),
});
export const configuredWebhooks = z.array(
  configured.refine(each => (each.api_key === undefined) !== (each.tenant === undefined), {
    error: `name either api_key or tenant (${TENANT_RULE})`,
  }),
);
export type ConfiguredWebhook = z.infer<typeof configured>;
