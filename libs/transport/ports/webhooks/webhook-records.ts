import type { EndpointHealth, WebhookEndpoint } from '@penstock/protocol';

export interface KnownEndpoint {
  readonly endpoint: WebhookEndpoint;
  readonly health: EndpointHealth;
}

export interface AddEndpointOutcome {
  readonly isAdded: boolean;
  /** Endpoints that its tenant had without it. */
  readonly before: number;
}

/** Webhook endpoints and how each has been doing. Lists are newest first. */
export interface WebhookRecords {
  /** @param most that the tenant may have with it. */
  add(endpoint: WebhookEndpoint, most: number): Promise<AddEndpointOutcome>;
  get(id: string): Promise<KnownEndpoint | null>;
  list(tenant: string): Promise<KnownEndpoint[]>;
  /** Changes fields of an existing endpoint. @returns false when there is none. */
  update(id: string, change: Partial<WebhookEndpoint>): Promise<boolean>;
  remove(id: string, tenant: string): Promise<void>;
  /** Makes the endpoints of the operator's configuration exactly these. */
  replaceManaged(endpoints: readonly WebhookEndpoint[]): Promise<void>;
  /**
   * The endpoint, for one attempt. No attempt may be made where `health` says that it is paused. After `breakerAt` failures
   * in a row this attempt is the only one for `probeMs`.
   */
  claim(id: string, now: number, breakerAt: number, probeMs: number): Promise<KnownEndpoint | null>;
  /** @param begunAt start of the attempt, Unix ms: a pause that began later stays. */
  succeeded(id: string, now: number, begunAt: number): Promise<void>;
  /** @returns failures in a row, including this one. */
  failed(id: string): Promise<number>;
  /** Never shortens a pause. */
  pause(id: string, now: number, until: number): Promise<void>;
  /** Whether an attempt has succeeded since then, Unix ms. */
  cameThroughSince(id: string, since: number): Promise<boolean>;
  close(): Promise<void>;
}
