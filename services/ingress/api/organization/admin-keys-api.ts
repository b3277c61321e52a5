/** OpenAI's admin API of admin keys: they administer, and send no requests to models. */
import type { KeyOffice } from '@penstock/access';
import { adminKeyCreate, type KeyRecord, toAdminKeyObject } from '@penstock/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Api, Guards } from '../../http/guards.ts';
import { answer } from '../../http/headers.ts';
import { pageOf, readPaging } from '../../http/paging.ts';
import { readBody } from '../../http/read-body.ts';

const PATH = '/v1/organization/admin_api_keys';

interface Route {
  Params: { id: string };
  Querystring: Record<string, string | undefined>;
}
type Handle = (request: FastifyRequest<Route>) => Promise<object>;

export class AdminKeysApi implements Api {
  readonly #keys: KeyOffice;

  constructor(keys: KeyOffice) {
    this.#keys = keys;
  }

  addTo(app: FastifyInstance, { administer: onRequest }: Guards): void {
    const on = (method: 'get' | 'post' | 'delete', path: string, handle: Handle) =>
      app[method]<Route>(`${PATH}${path}`, { onRequest }, async (request, reply) =>
        answer(reply, request, await handle(request)),
      );
    on('get', '', ({ query }) => this.#list(query));
    on('post', '', async ({ body }) => {
      const { name, expires_in_seconds: expiresInS } = readBody(adminKeyCreate, body);
      const { key, text } = await this.#keys.createAdmin({ name, expiresInS });
      return { ...toAdminKeyObject(key, null), value: text };
    });
    on('get', '/:id', async ({ params: { id } }) => this.#shown(await this.#keys.find(null, id)));
    on('delete', '/:id', async ({ params: { id } }) => {
      await this.#keys.remove(null, id);
      return { id, object: 'organization.admin_api_key.deleted', deleted: true };
    });
  }

  async #shown(key: KeyRecord): Promise<object> {
    const uses = await this.#keys.usesOf([key]);
    return toAdminKeyObject(key, uses.get(key.id) ?? null);
  }

  async #list(query: Route['Querystring']): Promise<object> {
    const keys = await this.#keys.list(null);
    const uses = await this.#keys.usesOf(keys);
    const show = (key: KeyRecord) => toAdminKeyObject(key, uses.get(key.id) ?? null);
    return pageOf(keys.reverse(), readPaging(query, 20, 100), show);
  }
}
