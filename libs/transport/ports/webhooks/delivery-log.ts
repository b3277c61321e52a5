import type { DeliveryAttempt, WebhookDelivery } from '@penstock/protocol';

/** What was sent to each endpoint, and how that went: the latest few hundred deliveries, for a week. */
export interface DeliveryLog {
  open(deliveries: readonly Pick<WebhookDelivery, 'id' | 'endpoint' | 'event'>[]): Promise<void>;
  /** Does nothing for a delivery that is no longer kept. @param attempt null where only the state changes. */
  attempted(id: string, attempt: DeliveryAttempt | null, state: WebhookDelivery['state']): Promise<void>;
  get(id: string): Promise<WebhookDelivery | null>;
  /** Ids, newest first. */
  list(endpoint: string): Promise<string[]>;
  forget(endpoint: string): Promise<void>;
  close(): Promise<void>;
}
