/** Events that webhooks report, in OpenAI's thin envelope: the resource itself is fetched by its id. */
import { hash } from 'node:crypto';

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

/** A resource ends at most once in each way, so its id and the type identify the event. */
export function eventId(resource: string, type: EventType): string {
  return `evt_${hash('sha256', `${resource}\n${type}`).slice(0, 32)}`;
}

/** What is posted, and signed, byte for byte. */
export function eventBody(event: WebhookEvent): string {
  const { id, type, resource, createdAt } = event;
  return JSON.stringify({ id, object: 'event', created_at: createdAt, type, data: { id: resource } });
}

/** Stream of events that have happened and are not yet distributed to endpoints. Written in the script that makes a resource final. */
export const EVENT_OUTBOX_KEY = 'penstock:event-outbox';
/** Ids by deadline, Unix ms, of unfinished runs of tenants with endpoints: their clients do not poll. */
export const RUN_DEADLINES_KEY = 'penstock:run-deadlines';
