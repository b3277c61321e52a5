/** OpenAI's admin API of the keys of a project. They are made with service accounts. */
import type { KeyOffice, ProjectOffice } from '@penstock/access';
import { type KeyRecord, type Project, projectKeyUpdate, toProjectKeyObject } from '@penstock/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Api, Guards } from '../../http/guards.ts';
import { answer } from '../../http/headers.ts';
import { pageOf, readPaging } from '../../http/paging.ts';
import { readBody } from '../../http/read-body.ts';

const PATH = '/v1/organization/projects/:id/api_keys';

interface Route {
  Params: { id: string; key: string };
  Querystring: Record<string, string | undefined>;
}
type Handle = (project: Project, request: FastifyRequest<Route>) => Promise<object>;

export class ProjectKeysApi implements Api {
  readonly #projects: Pick<ProjectOffice, 'find'>;
  readonly #keys: KeyOffice;

  constructor(projects: Pick<ProjectOffice, 'find'>, keys: KeyOffice) {
    this.#projects = projects;
    this.#keys = keys;
  }

  addTo(app: FastifyInstance, { administer: onRequest }: Guards): void {
    const on = (method: 'get' | 'post' | 'delete', path: string, handle: Handle) =>
      app[method]<Route>(`${PATH}${path}`, { onRequest }, async (request, reply) => {
        const project = await this.#projects.find(request.params.id);
        return answer(reply, request, await handle(project, request));
      });
    on('get', '', (project, { query }) => this.#list(project, query));
    on('get', '/:key', async (project, { params: { key: id } }) =>
      this.#shown(project, await this.#keys.find(project.id, id)),
    );
    on('post', '/:key', async (project, { params: { key: id }, body }) => {
      const { name, expires_in_seconds: expiresInS, scopes } = readBody(projectKeyUpdate, body);
      const wishes = { ...(name === undefined ? {} : { name }), expiresInS, scopes };
      return this.#shown(project, await this.#keys.update(project.id, id, wishes));
    });
    on('delete', '/:key', async (project, { params: { key: id } }) => {
      await this.#keys.remove(project.id, id);
      return { id, object: 'organization.project.api_key.deleted', deleted: true };
    });
  }

  async #shown(project: Project, key: KeyRecord): Promise<object> {
    const uses = await this.#keys.usesOf([key]);
    return toProjectKeyObject(key, project, uses.get(key.id) ?? null);
  }

  async #list(project: Project, query: Route['Querystring']): Promise<object> {
    const keys = await this.#keys.list(project.id);
    const uses = await this.#keys.usesOf(keys);
    const show = (key: KeyRecord) => toProjectKeyObject(key, project, uses.get(key.id) ?? null);
    return pageOf(keys.reverse(), readPaging(query, 20, 100), show);
  }
}
