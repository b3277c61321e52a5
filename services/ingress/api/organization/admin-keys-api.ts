/** OpenAI's admin API of admin keys: they administer, and send no requests to models. */
import type { KeyOffice } from '@penstock/access';
import { adminKeyCreate, toAdminKeyObject } from '@penstock/protocol';
import type { FastifyInstance } from 'fastify';
import type { Api, Guards } from '../../http/guards.ts';
import { readBody } from '../../http/read-body.ts';
import { actorOf, adminRoutes } from './routes.ts';
import { keyPage, shownKey } from './shown-keys.ts';

const PATH = '/v1/organization/admin_api_keys';

export class AdminKeysApi implements Api {
  readonly #keys: KeyOffice;

  constructor(keys: KeyOffice) {
    this.#keys = keys;
  }

  addTo(app: FastifyInstance, guards: Guards): void {
    const on = adminRoutes<{ id: string }>(app, guards, PATH);
    on('get', '', ({ query }) => keyPage(this.#keys, null, query, toAdminKeyObject));
    on('post', '', async request => {
      const { name, expires_in_seconds: expiresInS } = readBody(adminKeyCreate, request.body);
      const { key, text } = await this.#keys.createAdmin(actorOf(request), { name, expiresInS });
      return { ...toAdminKeyObject(key, null), value: text };
    });
    on('get', '/:id', async ({ params: { id } }) =>
      shownKey(this.#keys, await this.#keys.find(null, id), toAdminKeyObject),
    );
    on('delete', '/:id', async request => {
      const { id } = request.params;
      await this.#keys.remove(actorOf(request), null, id);
      return { id, object: 'organization.admin_api_key.deleted', deleted: true };
    });
  }
}
