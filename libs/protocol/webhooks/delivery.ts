/** Webhook deliveries: one event on its way to one endpoint, with every attempt at it. */
import { hash } from 'node:crypto';
import { assertToken } from '../wire/token.ts';
import type { WebhookEvent } from './event.ts';

export const deliveryListKey = (endpoint: string) => `penstock:deliveries:${assertToken(endpoint)}`;
export const deliveryKey = (id: string) => `penstock:delivery:${assertToken(id)}`;
export const deliveryAttemptsKey = (id: string) => `penstock:delivery-attempts:${assertToken(id)}`;

export interface DeliveryAttempt {
  /** Unix ms. */
  readonly at: number;
  /** 1 for the first; a redelivery starts at 1 again. */
  readonly attempt: number;
  /** HTTP status, or null where there was no answer. */
  readonly status: number | null;
  /** Why the attempt failed; null when it was delivered. */
  readonly error: string | null;
  readonly ms: number;
}

/** One event for one endpoint. */
export interface WebhookDelivery {
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

export function toDeliveryObject(delivery: WebhookDelivery): object {
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

/** Reads `Retry-After`, in seconds or as a date. Null for anything else, and for a time that has passed. */
export function retryAfterMs(header: string | null, now: number): number | null {
  if (header === null) return null;
  const ms = /^\d{1,9}$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return ms > 0 ? ms : null;
}
