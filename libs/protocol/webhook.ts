/**
 * Webhooks: the events there are, their envelope (OpenAI's thin one: the resource is fetched by its id), the endpoints
 * they go to, and the names of what is kept of them. Signatures follow Standard Webhooks 1.0.0.
 */
import { hash } from 'node:crypto';
import { z } from 'zod';
import { assertToken } from './names.ts';

/** OpenAI's own types, and ours for jobs (`Prefer: respond-async`). */
export const EVENT_TYPES = [
  'response.completed',
  'response.failed',
  'response.cancelled',
  'response.incomplete',
  'batch.completed',
  'batch.failed',
  'batch.expired',
  'batch.cancelled',
  'job.completed',
  'job.failed',
  'job.cancelled',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export function isEventType(text: string): text is EventType {
  return (EVENT_TYPES as readonly string[]).includes(text);
}

export interface WebhookEvent {
  /** `evt_…`: the same at every attempt, at every endpoint, for ever. Receivers drop what they have seen. */
  readonly id: string;
  readonly type: EventType;
  /** Id of what it is about, as its API shows it. */
  readonly resource: string;
  /** Unix seconds. */
  readonly createdAt: number;
}

/** A thing ends once in each way, so its id and the type name the event. */
export function eventId(resource: string, type: EventType): string {
  return `evt_${hash('sha256', `${resource}\n${type}`).slice(0, 32)}`;
}

/** What is posted, and signed, byte for byte. */
export function eventBody(event: WebhookEvent): string {
  const { id, type, resource, createdAt } = event;
  return JSON.stringify({ id, object: 'event', created_at: createdAt, type, data: { id: resource } });
}

const SECRET_PREFIX = 'whsec_';
/** Bytes of key that Standard Webhooks allows. */
const SECRET_BYTES = { least: 24, most: 64 } as const;

/** @param key random bytes, 24 to 64. */
export function toSecret(key: Buffer): string {
  return `${SECRET_PREFIX}${key.toString('base64')}`;
}

export function isSecret(text: string): boolean {
  if (!text.startsWith(SECRET_PREFIX)) return false;
  const key = Buffer.from(text.slice(SECRET_PREFIX.length), 'base64');
  const { least, most } = SECRET_BYTES;
  return toSecret(key) === text && key.length >= least && key.length <= most;
}

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
/** Stream of events that happened and are not handed out to endpoints yet. Written in the step that makes a thing final. */
export const EVENT_OUTBOX_KEY = 'penstock:event-outbox';
/** Ids by deadline, Unix ms, of unfinished runs of tenants with endpoints: their clients do not come and look. */
export const RUN_DEADLINES_KEY = 'penstock:run-deadlines';
export const deliveryListKey = (endpoint: string) => `penstock:deliveries:${assertToken(endpoint)}`;
export const deliveryKey = (id: string) => `penstock:delivery:${assertToken(id)}`;
export const deliveryAttemptsKey = (id: string) => `penstock:delivery-attempts:${assertToken(id)}`;

export interface DeliveryAttempt {
  /** Unix ms. */
  readonly at: number;
  /** 1 for the first; a redelivery begins anew. */
  readonly attempt: number;
  /** HTTP status, or null where there was no answer. */
  readonly status: number | null;
  /** Why there was no answer that counts; null when it came through. */
  readonly error: string | null;
  readonly ms: number;
}

/** One event for one endpoint. */
export interface Delivery {
  /** `whd_…` */
  readonly id: string;
  readonly endpoint: string;
  readonly event: WebhookEvent;
  readonly state: 'pending' | 'delivered' | 'failed';
  /** Newest last. */
  readonly attempts: readonly DeliveryAttempt[];
}

export function deliveryId(event: string, endpoint: string): string {
  return `whd_${hash('sha256', `${event}\n${endpoint}`).slice(0, 32)}`;
}

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

export function toDeliveryObject(delivery: Delivery): object {
  const { event, attempts } = delivery;
  return {
    id: delivery.id,
    object: 'webhook_endpoint.delivery',
    webhook_endpoint_id: delivery.endpoint,
    event_id: event.id,
    event_type: event.type,
    resource_id: event.resource,
    created_at: event.createdAt,
    status: delivery.state,
    attempts: attempts.map(({ at, attempt, status, error, ms }) => ({
      attempt,
      attempted_at: Math.floor(at / 1000),
      status_code: status,
      error,
      duration_ms: ms,
    })),
  };
}

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
  tenant: z
    .string()
    .regex(/^[0-9a-f]{16}$/, 'a tenant is 16 hex digits')
    .optional(),
  url: z.string(),
  name: name.default('operator'),
  secret: z.string().refine(isSecret, 'a secret is whsec_ and 24 to 64 bytes in base64'),
  event_types: eventTypes.default([...EVENT_TYPES]),
});
export const configuredWebhooks = z.array(
  configured.refine(each => (each.api_key === undefined) !== (each.tenant === undefined), {
    error: 'name either api_key or tenant (the first 16 hex digits of the SHA-256 of the key)',
  }),
);
export type ConfiguredWebhook = z.infer<typeof configured>;

/** The tenant that an API key stands for: it scopes everything a client can name. */
export function tenantOfKey(apiKey: string): string {
  return hash('sha256', apiKey).slice(0, 16);
}

/** `Retry-After` in seconds or as a date; null for what is neither, or over. */
export function retryAfterMs(header: string | null, now: number): number | null {
  if (header === null) return null;
  const ms = /^\d{1,9}$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return ms > 0 ? ms : null;
}
