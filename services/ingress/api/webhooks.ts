/**
 * Webhook endpoints of a tenant, in the shape of OpenAI's API, so that the official SDKs can manage them; deliveries and
 * their outcomes are an extension. Secrets are shown once, when they are created.
 */
import { randomBytes } from 'node:crypto';
import type { ResourceLimits } from '@penstock/access';
import {
  DispatchError,
  EVENT_TYPES,
  eventId,
  toDeliveryObject,
  toEndpointObject,
  toSecret,
  type WebhookEndpoint,
  webhookCreate,
  webhookRotate,
  webhookTest,
  webhookUpdate,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { DeliveryJobs, DeliveryLog, KnownEndpoint, WebhookRecords } from '@penstock/transport';
import { type AllowList, checkEgressUrl, EgressRefused, resolveEgress } from '@penstock/transport/egress';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Api, Guards } from '../http/guards.ts';
import { answer } from '../http/headers.ts';
import { pageOf, readPaging } from '../http/paging.ts';
import { readBody } from '../http/read-body.ts';

export interface WebhooksOptions {
  readonly webhooks: WebhookRecords;
  readonly deliveries: DeliveryLog;
  readonly deliveryJobs: DeliveryJobs;
  readonly allow: AllowList;
  readonly resources: ResourceLimits;
  readonly clock: Pick<Clock, 'now'>;
  readonly nextId: () => string;
}

/** A tenant's endpoints: each event is sent to each of them. */
const MOST_ENDPOINTS = 20;
const SECRET_BYTES = 32;
const DAY_S = 24 * 3600;
/** Time for the name to resolve; after it the URL is accepted and checked at each attempt, ms. */
const RESOLVE_LIMIT_MS = 2000;
/** A test waits for its attempt, ms: more than an attempt takes. */
const TEST_LIMIT_MS = 20_000;

type Route = { Params: { id: string; delivery: string } };
type Handler = (known: KnownEndpoint, request: FastifyRequest<Route>) => Promise<object>;

export class WebhooksApi implements Api {
  readonly #o: WebhooksOptions;

  constructor(options: WebhooksOptions) {
    this.#o = options;
  }

  addTo(app: FastifyInstance, { admit: onRequest }: Guards): void {
    const path = '/v1/webhook_endpoints';
    app.get('/v1/webhook_event_types', { onRequest }, (request, reply) =>
      answer(reply, request, { object: 'list', data: EVENT_TYPES }),
    );
    app.post(path, { onRequest }, async (request, reply) =>
      answer(reply, request, await this.#create(request)),
    );
    app.get(path, { onRequest }, async (request, reply) => {
      const all = await this.#o.webhooks.list(request.tenant);
      const items = all.map(known => ({ id: known.endpoint.id, known }));
      return answer(
        reply,
        request,
        pageOf(items, paging(request), ({ known }) => this.#shown(known)),
      );
    });
    const own = (method: 'get' | 'post' | 'delete', rest: string, handle: Handler) =>
      app[method]<Route>(`${path}/:id${rest}`, { onRequest }, async (request, reply) =>
        answer(reply, request, await handle(await this.#find(request), request)),
      );
    own('get', '', async known => this.#shown(known));
    own('post', '', (known, request) => this.#update(known, request));
    own('delete', '', known => this.#remove(known));
    own('post', '/rotate_secret', (known, request) => this.#rotate(known, request));
    own('post', '/test', (known, request) => this.#test(known, request));
    own('get', '/deliveries', (known, request) => this.#listDeliveries(known, request));
    own('get', '/deliveries/:delivery', async (known, request) =>
      toDeliveryObject(await this.#findDelivery(known, request)),
    );
    own('post', '/deliveries/:delivery/redeliver', (known, request) => this.#redeliver(known, request));
  }

  /** The error is the same for unknown and malformed ids and for those of another tenant. */
  async #find(request: FastifyRequest<Route>): Promise<KnownEndpoint> {
    const { id } = request.params;
    const known = /^whe_[a-z0-9]{26}$/.test(id) ? await this.#o.webhooks.get(id) : null;
    if (known === null || known.endpoint.tenant !== request.tenant)
      throw new DispatchError('webhook_not_found');
    return known;
  }

  /** Checked again at every attempt, since the name may resolve to something else by then. */
  async #checkUrl(text: string): Promise<string> {
    try {
      const url = checkEgressUrl(text, this.#o.allow);
      const late = new Promise<null>(resolve => setTimeout(resolve, RESOLVE_LIMIT_MS, null).unref());
      const judged = resolveEgress(url, this.#o.allow).catch(err => {
        if (err instanceof EgressRefused) throw err;
      });
      await Promise.race([judged, late]);
      return url.href;
    } catch (err) {
      if (!(err instanceof EgressRefused)) throw err;
      throw new DispatchError('invalid_request', { message: err.message, param: 'url' });
    }
  }

  async #create(request: FastifyRequest): Promise<object> {
    const asked = readBody(webhookCreate, request.body);
    const url = await this.#checkUrl(asked.url);
    const at = this.#nowS();
    const endpoint: WebhookEndpoint = {
      ...{ id: `whe_${this.#o.nextId()}`, tenant: request.tenant, name: asked.name, url },
      ...{ eventTypes: asked.event_types, secret: newSecret(), oldSecret: null },
      ...{ createdAt: at, updatedAt: at, managed: false, disabled: null },
    };
    const allowance = this.#o.resources.of(request.caller, 'webhooks');
    const most = Math.min(MOST_ENDPOINTS, allowance.most('max_webhook_endpoints') ?? MOST_ENDPOINTS);
    const { isAdded, before } = await this.#o.webhooks.add(endpoint, most);
    allowance.check({ max_webhook_endpoints: [before, 1] });
    if (!isAdded)
      throw new DispatchError('invalid_request', {
        message: `You have ${MOST_ENDPOINTS} webhook endpoints, the most there can be. Delete one first.`,
      });
    return this.#withSecret(endpoint);
  }

  async #update(known: KnownEndpoint, request: FastifyRequest<Route>): Promise<object> {
    const asked = readOptional(webhookUpdate, request);
    const change: { -readonly [Field in keyof WebhookEndpoint]?: WebhookEndpoint[Field] } = {};
    if (asked.name !== undefined) change.name = asked.name;
    if (asked.url !== undefined) change.url = await this.#checkUrl(asked.url);
    if (asked.event_types !== undefined) change.eventTypes = asked.event_types;
    if (Object.keys(change).length > 0) refuseManaged(known);
    if (asked.status !== undefined) change.disabled = asked.status === 'enabled' ? null : 'by_request';
    if (Object.keys(change).length > 0) change.updatedAt = this.#nowS();
    const { id } = known.endpoint;
    if (Object.keys(change).length > 0) await this.#o.webhooks.update(id, change);
    // Enabled again or with a new URL: its health starts over, and earlier events cannot disable it.
    if (change.disabled === null || change.url !== undefined)
      await this.#o.webhooks.succeeded(id, this.#o.clock.now(), Number.MAX_SAFE_INTEGER);
    return this.#shown((await this.#o.webhooks.get(id)) ?? known);
  }

  async #remove(known: KnownEndpoint): Promise<object> {
    refuseManaged(known);
    const { id, tenant } = known.endpoint;
    await this.#o.webhooks.remove(id, tenant);
    await this.#o.deliveries.forget(id);
    return { id, object: 'webhook_endpoint.deleted', deleted: true };
  }

  async #rotate(known: KnownEndpoint, request: FastifyRequest<Route>): Promise<object> {
    refuseManaged(known);
    const asked = readOptional(webhookRotate, request);
    const { endpoint } = known;
    const graceS =
      asked.keep_old_secret_active_for_s ?? (asked.keep_old_secret_active_for_24_hours ? DAY_S : 0);
    const oldSecret =
      graceS === 0 || endpoint.secret === null
        ? null
        : { secret: endpoint.secret, until: this.#o.clock.now() + graceS * 1000 };
    const change = { secret: newSecret(), oldSecret, updatedAt: this.#nowS() };
    await this.#o.webhooks.update(endpoint.id, change);
    return this.#withSecret({ ...endpoint, ...change });
  }

  async #test(known: KnownEndpoint, request: FastifyRequest<Route>): Promise<object> {
    const { event_type: type } = readBody(webhookTest, request.body);
    const { id } = known.endpoint;
    const nonce = this.#o.nextId();
    const prefix = { response: 'resp', batch: 'batch', job: 'job' }[
      type.split('.')[0] as 'response' | 'batch' | 'job'
    ];
    const resource = `${prefix}_test_${nonce}`;
    const event = { id: eventId(resource, type), type, resource, createdAt: this.#nowS() };
    const outcome = await this.#o.deliveryJobs.once(
      { endpoint: id, event, isTest: true },
      nonce,
      TEST_LIMIT_MS,
    );
    if (outcome?.kind !== 'answered')
      throw new DispatchError('webhook_unreachable', {
        message: `The endpoint could not be reached: ${outcome?.reason ?? 'no tasks process was there to try'}.`,
      });
    return {
      object: 'webhook_endpoint.test',
      ...{ success: true, webhook_endpoint_id: id, event_type: type, event_id: event.id },
      status_code: outcome.status,
    };
  }

  async #listDeliveries({ endpoint }: KnownEndpoint, request: FastifyRequest<Route>): Promise<object> {
    const ids = (await this.#o.deliveries.list(endpoint.id)).map(id => ({ id }));
    const page = pageOf(ids, paging(request), item => item) as { data: { id: string }[] };
    const found = await Promise.all(page.data.map(({ id }) => this.#o.deliveries.get(id)));
    return { ...page, data: found.flatMap(each => (each === null ? [] : [toDeliveryObject(each)])) };
  }

  async #findDelivery({ endpoint }: KnownEndpoint, request: FastifyRequest<Route>) {
    const { delivery: id } = request.params;
    const delivery = /^whd_[a-f0-9]{32}$/.test(id) ? await this.#o.deliveries.get(id) : null;
    if (delivery === null || delivery.endpoint !== endpoint.id) throw new DispatchError('delivery_not_found');
    return delivery;
  }

  /** The same event under the same id, from the beginning of the schedule. */
  async #redeliver(known: KnownEndpoint, request: FastifyRequest<Route>): Promise<object> {
    const delivery = await this.#findDelivery(known, request);
    await this.#o.deliveries.attempted(delivery.id, null, 'pending');
    const { endpoint, event } = delivery;
    await this.#o.deliveryJobs.again({ endpoint, event, askedAt: this.#o.clock.now() }, this.#o.nextId());
    return toDeliveryObject({ ...delivery, state: 'pending' });
  }

  #shown({ endpoint, health }: KnownEndpoint): object {
    return toEndpointObject(endpoint, health, this.#o.clock.now());
  }

  #withSecret(endpoint: WebhookEndpoint): object {
    return { ...toEndpointObject(endpoint, null, this.#o.clock.now()), signing_secret: endpoint.secret };
  }

  #nowS(): number {
    return Math.floor(this.#o.clock.now() / 1000);
  }
}

function paging(request: FastifyRequest) {
  return readPaging(request.query as Record<string, string | undefined>, 20, 100);
}

/** Where every field may be left out, so may the body. @throws DispatchError that names the field. */
function readOptional<T extends z.ZodType>(schema: T, { body }: FastifyRequest): z.infer<T> {
  const isEmpty = body === undefined || (Buffer.isBuffer(body) && body.length === 0);
  return readBody(schema, isEmpty ? Buffer.from('{}') : body);
}

/** A configured endpoint can only be enabled and disabled. */
function refuseManaged({ endpoint }: KnownEndpoint): void {
  if (!endpoint.managed) return;
  throw new DispatchError('invalid_request', {
    message: 'The operator configured this endpoint. You can only change its status.',
  });
}

function newSecret(): string {
  return toSecret(randomBytes(SECRET_BYTES));
}
