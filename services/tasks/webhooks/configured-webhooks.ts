/** Webhook endpoints that the operator configures for tenants, in a file or a variable. */
import { hash } from 'node:crypto';
import {
  type ConfiguredWebhook,
  configuredWebhooks,
  tenantOfKey,
  type WebhookEndpoint,
} from '@penstock/protocol';
import { type AllowList, checkEgressUrl } from '@penstock/transport/egress';

/**
 * @param json a JSON list; `[]` for none.
 * @throws Error that names every mistake and never quotes a secret.
 */
export function readConfiguredWebhooks(json: string, allow: AllowList): ConfiguredWebhook[] {
  let given: unknown;
  try {
    given = JSON.parse(json);
  } catch {
    throw new Error(
      'is not valid JSON: give a list of {"api_key" or "tenant", "url", "secret", "event_types"}',
    );
  }
  const parsed = configuredWebhooks.safeParse(given);
  if (!parsed.success)
    throw new Error(parsed.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`).join('; '));
  for (const [i, { url }] of parsed.data.entries()) {
    try {
      checkEgressUrl(url, allow);
    } catch (err) {
      throw new Error(`${i}.url: ${(err as Error).message}`);
    }
  }
  return parsed.data;
}

/** The id is made of tenant and URL, so an entry is the same endpoint at every start and in every process. */
export function toManagedEndpoint(given: ConfiguredWebhook, now: number): WebhookEndpoint {
  const tenant = given.tenant ?? tenantOfKey(given.api_key ?? '');
  const at = Math.floor(now / 1000);
  return {
    ...{ id: `whe_${hash('sha256', `${tenant}\n${given.url}`).slice(0, 26)}`, tenant },
    ...{ name: given.name, url: given.url, eventTypes: given.event_types, secret: given.secret },
    ...{ oldSecret: null, createdAt: at, updatedAt: at, managed: true, disabled: null },
  };
}
