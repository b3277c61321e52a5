/** A span for each attempt to deliver an event. Its request is found by its id: the event is told long after the request ended. */
import type { WebhookDecision } from '@penstock/policy';
import { type Tracing, unixMs } from '@penstock/runtime';
import type { DeliveryJob, PostOutcome } from '@penstock/transport';
import type { DeliveryObserver } from './event-sender.ts';

export class DeliveryTracing implements DeliveryObserver {
  readonly #tracing: Tracing;

  constructor(tracing: Tracing) {
    this.#tracing = tracing;
  }

  attempted(
    decision: WebhookDecision,
    outcome: PostOutcome,
    { ms }: { readonly ms: number },
    { event, endpoint }: DeliveryJob,
  ): void {
    const now = unixMs();
    const span = this.#tracing.begin({
      ...{ name: `deliver ${event.type}`, role: 'client', at: now - Math.max(0, ms) },
      attributes: {
        ...{ 'penstock.event.type': event.type, 'penstock.request.id': event.resource },
        ...{ 'penstock.webhook.endpoint': endpoint, 'penstock.outcome': decision.kind },
        'http.response.status_code': outcome.kind === 'answered' ? outcome.status : undefined,
      },
    });
    if (outcome.kind === 'unanswered') span.fail(outcome.reason);
    else if (decision.kind !== 'delivered') span.fail(decision.reason);
    span.end(now);
  }

  disabled(): void {}
}
