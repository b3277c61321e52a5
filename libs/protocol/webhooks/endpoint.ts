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
  /** Signs every attempt; null where it was encrypted with a key that is not there. */
  readonly secret: string | null;
  /** The secret before a rotation, which signs too until it expires. */
  readonly oldSecret: { readonly secret: string /** Unix ms. */; readonly until: number } | null;
  /** Unix seconds. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Set by the operator's configuration; the API cannot change it. */
  readonly managed: boolean;
  /** Null while it gets events. `gone`: it answered 410. `failing`: an event was given up, and nothing has been delivered since. */
  readonly disabled: 'gone' | 'failing' | 'by_request' | null;
}

/** Recent success of one endpoint, shared by all processes that deliver. */
export interface EndpointHealth {
  /** Failed attempts since the last successful one. */
  readonly failures: number;
  /** Nothing is sent before this, Unix ms. */
  readonly pausedUntil: number;
}

export const WEBHOOK_LIST_PREFIX = 'penstock:webhooks:';
/** Ids of a tenant's endpoints by age. Events are written to the outbox only while this key exists. */
export const webhookListKey = (tenant: string) => `${WEBHOOK_LIST_PREFIX}${assertToken(tenant)}`;
export const webhookKey = (id: string) => `penstock:webhook:${assertToken(id)}`;
/** Ids of the endpoints set up by the operator's configuration. */
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
    signing_secret_hint: endpoint.secret === null ? null : `${SECRET_PREFIX}…${endpoint.secret.slice(-4)}`,
    status: endpoint.disabled === null ? 'enabled' : 'disabled',
    disabled_reason: endpoint.disabled,
    managed_by: endpoint.managed ? 'operator' : 'api',
    consecutive_failures: health?.failures ?? 0,
    paused_until: health !== null && health.pausedUntil > now ? Math.ceil(health.pausedUntil / 1000) : null,
  };
}
