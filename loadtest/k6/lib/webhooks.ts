/**
 * Webhooks, measured from the outside: k6 cannot listen, so the receiver is somebody else's and Penstock's own log of
 * deliveries says when it was told.
 */
import { failureOf, pause, send } from './client.ts';
import { abort } from './preflight.ts';

/** How exact the time of a delivery is, ms. */
const LOOK_MS = 250;
const LATEST = 100;

interface WebhookDelivery {
  readonly resource_id: string;
  readonly event_type: string;
  readonly status: 'pending' | 'delivered' | 'failed';
}

/** Has the ends of jobs posted to `url` for the time of the run. @returns the endpoint's id. */
export async function openEndpoint(url: string): Promise<string> {
  const order = { url, name: 'load test', event_types: ['job.completed', 'job.failed'] };
  const reply = await send('POST', '/v1/webhook_endpoints', JSON.stringify(order), 'webhook');
  if (reply.status === 200) return (JSON.parse(reply.body ?? '') as { id: string }).id;
  const reason = /"message"\s*:\s*"([^"]*)"/.exec(reply.body ?? '')?.[1] ?? `status ${reply.status}`;
  abort(`WEBHOOK_URL=${url} is refused: ${reason}`);
}

export async function closeEndpoint(id: string): Promise<void> {
  await send('DELETE', `/v1/webhook_endpoints/${id}`, null, 'webhook');
}

/** Waits until the receiver has been told of a job's end. @returns what went wrong, or null. */
export async function untilDelivered(endpoint: string, job: string, untilMs: number): Promise<string | null> {
  while (Date.now() < untilMs) {
    await pause(LOOK_MS);
    const path = `/v1/webhook_endpoints/${endpoint}/deliveries?limit=${LATEST}`;
    const reply = await send('GET', path, null, 'deliveries');
    const failed = failureOf(reply);
    if (failed !== null) return failed;
    const { data } = JSON.parse(reply.body ?? '') as { data: WebhookDelivery[] };
    const own = data.find(delivery => delivery.resource_id === job);
    if (own?.status === 'failed') return 'webhook given up';
    if (own?.status === 'delivered') return own.event_type === 'job.completed' ? null : own.event_type;
  }
  return 'webhook timeout';
}
