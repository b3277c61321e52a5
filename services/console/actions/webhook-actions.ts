/** Sends events of webhooks again, as their tenants can. */
import { isToken } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { DeliveryJobs, DeliveryLog } from '@penstock/transport';
import { ActionError, type Actions } from './action.ts';

export interface WebhookActionParts {
  readonly deliveries: Pick<DeliveryLog, 'attempted' | 'get'>;
  readonly deliveryJobs: Pick<DeliveryJobs, 'again'>;
  readonly clock: Clock;
  readonly nextId: () => string;
}

export function webhookActions({ deliveries, deliveryJobs, clock, nextId }: WebhookActionParts): Actions {
  return {
    'webhook.redeliver': async id => {
      const delivery = isToken(id) ? await deliveries.get(id) : null;
      if (delivery === null)
        throw new ActionError('this delivery is not known, or no longer: they are kept for a week');
      await deliveries.attempted(id, null, 'pending');
      const { endpoint, event } = delivery;
      await deliveryJobs.again({ endpoint, event, askedAt: clock.now() }, nextId());
    },
  };
}
