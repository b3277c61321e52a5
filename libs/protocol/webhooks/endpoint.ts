/** Webhook endpoints: where a tenant's events are sent, what is kept of them, and how the API shows them. */
import { assertToken } from '../wire/token.ts';
import type { EventType } from './event.ts';
import { SECRET_PREFIX } from './secret.ts';

export interface WebhookEndpoint {
  /** `whe_…` */
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly url: string;
  readonly eventTypes: readonly EventType[];
  /** Signs every attempt. */
  readonly secret: string;
  /** Signs too until its time is over: what a rotation leaves behind. */
  readonly oldSecret: { readonly secret: string /** Unix ms. */; readonly until: number } | null;
  /** Unix seconds. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Set by the operator's configuration: not to be changed by the API. */
  readonly managed: boolean;
  /** Null while it gets events. `gone`: it answered 410. `failing`: an event was given up and nothing came through since. */
  readonly disabled: 'gone' | 'failing' | 'by_request' | null;
}

/** How one endpoint has been doing; shared by all who deliver. */
export interface EndpointHealth {
  /** Failed attempts since the last one that came through. */
  readonly failures: number;
  /** Nothing is sent before this, Unix ms. */
  readonly pausedUntil: number;
}

export const WEBHOOK_LIST_PREFIX = 'penstock:webhooks:';
/** Ids of a tenant's endpoints by age. It exists while there are any: who writes the outbox looks at that alone. */
export const webhookListKey = (tenant: string) => `${WEBHOOK_LIST_PREFIX}${assertToken(tenant)}`;
export const webhookKey = (id: string) => `penstock:webhook:${assertToken(id)}`;
/** Ids of the endpoints that the operator's configuration made. */
export const WEBHOOK_MANAGED_KEY = 'penstock:webhooks-managed';

export function toEndpointObject(
  endpoint: WebhookEndpoint,
  health: EndpointHealth | null,
  now: number,
): object {
  return {
    id: endpoint.id,
    object: 'webhook_endpoint',
    created_at: endpoint.createdAt,
    updated_at: endpoint.updatedAt,
    name: endpoint.name,
    url: endpoint.url,
    event_types: endpoint.eventTypes,
    signing_secret_hint: `${SECRET_PREFIX}…${endpoint.secret.slice(-4)}`,
    status: endpoint.disabled === null ? 'enabled' : 'disabled',
    disabled_reason: endpoint.disabled,
    managed_by: endpoint.managed ? 'operator' : 'api',
    consecutive_failures: health?.failures ?? 0,
    paused_until: health !== null && health.pausedUntil > now ? Math.ceil(health.pausedUntil / 1000) : null,
  };
}
