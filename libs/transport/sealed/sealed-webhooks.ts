/** Webhook endpoints whose secrets are sealed. Their names and URLs are not: operators see these. */
import type { WebhookEndpoint } from '@penstock/protocol';
import type { Sealer, Seals } from '../ports/sealing/seals.ts';
import type { KnownEndpoint, WebhookRecords } from '../ports/webhooks/webhook-records.ts';
import { openedTextOrNull, sealedText } from './sealed-text.ts';

const SECRET_FIELD = 'secret';
const OLD_SECRET_FIELD = 'oldSecret';

export class SealedWebhooks implements WebhookRecords {
  readonly #records: WebhookRecords;
  readonly #seals: Seals;

  constructor(records: WebhookRecords, seals: Seals) {
    this.#records = records;
    this.#seals = seals;
  }

  async add(endpoint: WebhookEndpoint, most: number): ReturnType<WebhookRecords['add']> {
    return this.#records.add(await this.#sealed(endpoint), most);
  }

  async get(id: string): Promise<KnownEndpoint | null> {
    return this.#opened(await this.#records.get(id));
  }

  async list(tenant: string): Promise<KnownEndpoint[]> {
    const known = await this.#records.list(tenant);
    return Promise.all(known.map(each => this.#openedOne(each)));
  }

  async update(id: string, change: Partial<WebhookEndpoint>): Promise<boolean> {
    const isPlain = change.secret === undefined && change.oldSecret === undefined;
    const whose = isPlain ? null : await this.#records.get(id);
    if (whose === null) return this.#records.update(id, change);
    const { tenant } = whose.endpoint;
    return this.#records.update(id, sealedIn(change, await this.#seals.sealer(tenant, recordOf(id))));
  }

  remove(...args: Parameters<WebhookRecords['remove']>): ReturnType<WebhookRecords['remove']> {
    return this.#records.remove(...args);
  }

  async replaceManaged(endpoints: readonly WebhookEndpoint[]): Promise<void> {
    await this.#records.replaceManaged(await Promise.all(endpoints.map(each => this.#sealed(each))));
  }

  async claim(id: string, now: number, breakerAt: number, probeMs: number): Promise<KnownEndpoint | null> {
    return this.#opened(await this.#records.claim(id, now, breakerAt, probeMs));
  }

  succeeded(...args: Parameters<WebhookRecords['succeeded']>): ReturnType<WebhookRecords['succeeded']> {
    return this.#records.succeeded(...args);
  }

  failed(...args: Parameters<WebhookRecords['failed']>): ReturnType<WebhookRecords['failed']> {
    return this.#records.failed(...args);
  }

  pause(...args: Parameters<WebhookRecords['pause']>): ReturnType<WebhookRecords['pause']> {
    return this.#records.pause(...args);
  }

  cameThroughSince(
    ...args: Parameters<WebhookRecords['cameThroughSince']>
  ): ReturnType<WebhookRecords['cameThroughSince']> {
    return this.#records.cameThroughSince(...args);
  }

  close(): Promise<void> {
    return this.#records.close();
  }

  async #sealed(endpoint: WebhookEndpoint): Promise<WebhookEndpoint> {
    return sealedIn(endpoint, await this.#seals.sealer(endpoint.tenant, recordOf(endpoint.id)));
  }

  async #opened(known: KnownEndpoint | null): Promise<KnownEndpoint | null> {
    return known === null ? null : this.#openedOne(known);
  }

  async #openedOne({ endpoint, health }: KnownEndpoint): Promise<KnownEndpoint> {
    const { id, tenant: project, secret, oldSecret } = endpoint;
    const open = (field: string, text: string | null) =>
      text === null ? null : openedTextOrNull(this.#seals, { project, record: recordOf(id), field }, text);
    const old = oldSecret === null ? null : await open(OLD_SECRET_FIELD, oldSecret.secret);
    const opened = {
      secret: await open(SECRET_FIELD, secret),
      oldSecret: oldSecret === null || old === null ? null : { ...oldSecret, secret: old },
    };
    return { endpoint: { ...endpoint, ...opened }, health };
  }
}

function sealedIn<Fields extends Partial<WebhookEndpoint>>(change: Fields, sealer: Sealer | null): Fields {
  const { secret, oldSecret } = change;
  return {
    ...change,
    ...(secret ? { secret: sealedText(secret, SECRET_FIELD, sealer) } : {}),
    ...(oldSecret
      ? { oldSecret: { ...oldSecret, secret: sealedText(oldSecret.secret, OLD_SECRET_FIELD, sealer) } }
      : {}),
  };
}

function recordOf(id: string): string {
  return `webhook:${id}`;
}
