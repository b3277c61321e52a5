/** Webhook endpoints of a tenant, and what was sent to each. Neither secrets nor the queries of URLs, in which clients put some. */
import { isToken, toDeliveryObject, toEndpointObject, type WebhookDelivery } from '@penstock/protocol';
import type { DeliveryLog, KnownEndpoint, WebhookRecords } from '@penstock/transport';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Guard } from './guard.ts';
import { HttpError } from './http-error.ts';
import { reached } from './reached.ts';

export interface WebhookReader {
  readonly endpoints: Pick<WebhookRecords, 'get' | 'list'>;
  readonly deliveries: Pick<DeliveryLog, 'get' | 'list'>;
}

const AWAY = 'Webhooks cannot be read now: is Redis there?';
/** Of one endpoint, the newest. */
const MOST_DELIVERIES = 100;

type ById = { Params: { id: string } };

export function serveWebhooks(
  app: FastifyInstance,
  guard: Guard,
  { endpoints, deliveries }: WebhookReader,
  now: () => number,
): void {
  app.get<ById>('/api/webhooks/:id', async (request, reply) => {
    guard.session(request);
    const { id } = request.params;
    const found = isToken(id) ? await reached(findEndpoints(endpoints, id), AWAY) : [];
    if (found.length === 0)
      throw new HttpError(404, 'There is no webhook endpoint of this id, nor any of a tenant of this name.');
    return unkept(reply).send({ endpoints: found.map(each => shownEndpoint(each, now())) });
  });
  app.get<ById>('/api/webhooks/:id/deliveries', async (request, reply) => {
    guard.session(request);
    const { id } = request.params;
    const ids = isToken(id) ? await reached(deliveries.list(id), AWAY) : [];
    const all = await reached(
      Promise.all(ids.slice(0, MOST_DELIVERIES).map(each => deliveries.get(each))),
      AWAY,
    );
    return unkept(reply).send({ total: ids.length, deliveries: all.filter(isThere).map(toDeliveryObject) });
  });
}

/** @param id of an endpoint, or of a tenant. */
async function findEndpoints(endpoints: WebhookReader['endpoints'], id: string): Promise<KnownEndpoint[]> {
  if (!id.startsWith('whe_')) return endpoints.list(id);
  const known = await endpoints.get(id);
  return known === null ? [] : [known];
}

function isThere(delivery: WebhookDelivery | null): delivery is WebhookDelivery {
  return delivery !== null;
}

function shownEndpoint({ endpoint, health }: KnownEndpoint, now: number): object {
  const { origin, pathname } = new URL(endpoint.url);
  const about = toEndpointObject({ ...endpoint, url: origin + pathname }, health, now);
  return { ...about, tenant: endpoint.tenant, signing_secret_hint: undefined };
}

function unkept(reply: FastifyReply): FastifyReply {
  return reply.header('cache-control', 'no-store');
}
