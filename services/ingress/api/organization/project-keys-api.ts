/** OpenAI's admin API of the keys of a project. They are made with service accounts. */
import type { KeyOffice, ProjectOffice } from '@penstock/access';
import { type KeyRecord, type Project, projectKeyUpdate, toProjectKeyObject } from '@penstock/protocol';
import type { FastifyInstance } from 'fastify';
import type { Api, Guards } from '../../http/guards.ts';
import { readBody } from '../../http/read-body.ts';
import { actorOf, projectRoutes } from './routes.ts';
import { keyPage, shownKey } from './shown-keys.ts';

const PATH = '/v1/organization/projects/:id/api_keys';

export class ProjectKeysApi implements Api {
  readonly #projects: Pick<ProjectOffice, 'find'>;
  readonly #keys: KeyOffice;

  constructor(projects: Pick<ProjectOffice, 'find'>, keys: KeyOffice) {
    this.#projects = projects;
    this.#keys = keys;
  }

  addTo(app: FastifyInstance, guards: Guards): void {
    const on = projectRoutes<{ id: string; key: string }>(app, guards, PATH, this.#projects);
    on('get', '', (project, { query }) => keyPage(this.#keys, project.id, query, shownIn(project)));
    on('get', '/:key', async (project, { params: { key: id } }) =>
      shownKey(this.#keys, await this.#keys.find(project.id, id), shownIn(project)),
    );
    on('post', '/:key', async (project, request) => {
      const { key: id } = request.params;
      const { name, expires_in_seconds: expiresInS, scopes } = readBody(projectKeyUpdate, request.body);
      const wishes = { ...(name === undefined ? {} : { name }), expiresInS, scopes };
      const changed = await this.#keys.update(actorOf(request), project.id, id, wishes);
      return shownKey(this.#keys, changed, shownIn(project));
    });
    on('delete', '/:key', async (project, request) => {
      const { key: id } = request.params;
      await this.#keys.remove(actorOf(request), project.id, id);
      return { id, object: 'organization.project.api_key.deleted', deleted: true };
    });
  }
}

function shownIn(project: Project) {
  return (key: KeyRecord, usedAt: number | null) => toProjectKeyObject(key, project, usedAt);
}
