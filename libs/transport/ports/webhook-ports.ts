/** What webhooks need of the world, as the services see it. No vendor type appears here. */
import type {
  DeliveryAttempt,
  EndpointHealth,
  EventType,
  WebhookDelivery,
  WebhookEndpoint,
  WebhookEvent,
} from '@penstock/protocol';

/** Something that became final. */
export interface OutboxEvent {
  /** Name of the entry, for {@link EventOutbox.done}. */
  readonly entry: string;
  readonly tenant: string;
  /** Null for a type that this version does not know. */
  readonly type: EventType | null;
  readonly resource: string;
  /** When it happened, Unix ms, by the server's clock. */
  readonly at: number;
}

/**
 * Events that happened and are not handed out yet. Promises: each entry is read by somebody until somebody is done with
 * it. Does *not* promise that only one reads it: handing out must be repeatable.
 */
export interface EventOutbox {
  /** New ones, as soon as there are any; none after `waitMs`. Rejects while the server is away. */
  next(waitMs: number): Promise<OutboxEvent[]>;
  /** What others took and did not get done with. */
  abandoned(): Promise<OutboxEvent[]>;
  done(entries: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Why a post got no answer. */
export type UnansweredReason =
  | 'timeout'
  | 'address_refused'
  | 'name_not_found'
  | 'connection_refused'
  | 'unreachable'
  | 'connection_lost'
  | 'tls_failed'
  | 'request_failed';

export type PostOutcome =
  | { readonly kind: 'answered'; readonly status: number; readonly retryAfter: string | null }
  | { readonly kind: 'unanswered'; readonly reason: UnansweredReason };

/** Posts to URLs that clients named. Promises: never rejects, never follows a redirect, never reaches what is not public. */
export interface Poster {
  post(
    url: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    stop?: AbortSignal,
  ): Promise<PostOutcome>;
}

export interface KnownEndpoint {
  readonly endpoint: WebhookEndpoint;
  readonly health: EndpointHealth;
}

/** Who is told. Lists are newest first. */
export interface WebhookRecords {
  /** @returns false when the tenant has as many as it may. */
  add(endpoint: WebhookEndpoint, most: number): Promise<boolean>;
  get(id: string): Promise<KnownEndpoint | null>;
  list(tenant: string): Promise<KnownEndpoint[]>;
  /** Changes fields of an endpoint that exists. @returns false when it does not. */
  update(id: string, change: Partial<WebhookEndpoint>): Promise<boolean>;
  remove(id: string, tenant: string): Promise<void>;
  /** Makes the endpoints of the operator's configuration exactly these. */
  replaceManaged(endpoints: readonly WebhookEndpoint[]): Promise<void>;
  /**
   * The endpoint, for one attempt. Where `health` says that it is paused, none may be made; where it had failed
   * `breakerAt` times in a row, this attempt is the only one for `probeMs`.
   */
  claim(id: string, now: number, breakerAt: number, probeMs: number): Promise<KnownEndpoint | null>;
  /** @param begunAt of the attempt: a pause that began since then stays. */
  succeeded(id: string, now: number, begunAt: number): Promise<void>;
  /** @returns failures in a row, this one included. */
  failed(id: string): Promise<number>;
  /** Never shortens a pause. */
  pause(id: string, now: number, until: number): Promise<void>;
  /** Whether any attempt came through since then, Unix ms. */
  cameThroughSince(id: string, since: number): Promise<boolean>;
  close(): Promise<void>;
}

/** What was sent to each endpoint and how that went: the latest few hundred, for a week. */
export interface DeliveryLog {
  open(deliveries: readonly Pick<WebhookDelivery, 'id' | 'endpoint' | 'event'>[]): Promise<void>;
  /** Does nothing for a delivery that is forgotten. */
  attempted(id: string, attempt: DeliveryAttempt | null, state: WebhookDelivery['state']): Promise<void>;
  get(id: string): Promise<WebhookDelivery | null>;
  /** Ids, newest first. */
  list(endpoint: string): Promise<string[]>;
  forget(endpoint: string): Promise<void>;
  close(): Promise<void>;
}

/** One event to be sent to one endpoint. */
export interface DeliveryJob {
  readonly endpoint: string;
  readonly event: WebhookEvent;
  /** When it was asked for again, Unix ms: its schedule begins there. Absent: with the event. */
  readonly askedAt?: number;
  /** Sent once, whatever state the endpoint is in, and counted nowhere. */
  readonly isTest?: boolean;
}

export type JobOutcome =
  | { readonly kind: 'done'; readonly result: PostOutcome | null }
  /** A failed attempt; another one after the pause. */
  | { readonly kind: 'retry'; readonly delayMs: number }
  /** No attempt was made. */
  | { readonly kind: 'later'; readonly delayMs: number }
  | { readonly kind: 'given_up'; readonly reason: string };

/**
 * Deliveries to be made. Promises: each is run until it is done or given up, over restarts of every process; one that was
 * added before is not added again while it is remembered. Does *not* promise that an attempt is made only once.
 */
export interface DeliveryJobs {
  add(jobs: readonly DeliveryJob[]): Promise<void>;
  /** Adds it although it was made before. */
  again(job: DeliveryJob, nonce: string): Promise<void>;
  /** Adds it, waits for the outcome of its only attempt; null when nobody made it in time. */
  once(job: DeliveryJob, nonce: string, waitMs: number): Promise<PostOutcome | null>;
  /** @param run the attempt's number begins with 1. @param trouble with the job queue itself. */
  work(
    run: (job: DeliveryJob, attempt: number, stop: AbortSignal) => Promise<JobOutcome>,
    trouble: (err: Error) => void,
  ): void;
  close(): Promise<void>;
}
