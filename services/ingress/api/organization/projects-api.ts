/** OpenAI's admin API of projects, with the models that they may use and their limits. */
import type { ProjectOffice } from '@penstock/access';
import {
  DispatchError,
  limitsIn,
  modelPermissionsUpdate,
  type Project,
  projectCreate,
  projectUpdate,
  rateLimitUpdate,
  toProjectObject,
  toRateLimitObject,
} from '@penstock/protocol';
import type { FastifyInstance } from 'fastify';
import type { Api, Guards } from '../../http/guards.ts';
import { pageOf, readPaging } from '../../http/paging.ts';
import { readBody } from '../../http/read-body.ts';
import { type Asked, actorOf, adminRoutes } from './routes.ts';

const PATH = '/v1/organization/projects';
const RATE_LIMIT = /^rl-(.{1,512})$/s;

interface Params {
  readonly id: string;
  readonly limit: string;
}

export class ProjectsApi implements Api {
  readonly #office: ProjectOffice;

  constructor(office: ProjectOffice) {
    this.#office = office;
  }

  addTo(app: FastifyInstance, guards: Guards): void {
    const on = adminRoutes<Params>(app, guards, PATH);
    const id = (request: Asked<Params>) => request.params.id;
    on('get', '', request => this.#list(request));
    on('post', '', async request => {
      const { name, ...more } = readBody(projectCreate, request.body);
      return toProjectObject(await this.#office.create(actorOf(request), name, more));
    });
    on('get', '/:id', async request => toProjectObject(await this.#office.find(id(request))));
    on('post', '/:id', async request => {
      const { name, weight } = readBody(projectUpdate, request.body);
      const asked = { ...(name === undefined ? {} : { name }), ...(weight === undefined ? {} : { weight }) };
      const changed =
        Object.keys(asked).length === 0
          ? this.#office.find(id(request))
          : this.#office.update(actorOf(request), id(request), asked);
      return toProjectObject(await changed);
    });
    on('post', '/:id/archive', async request =>
      toProjectObject(await this.#office.archive(actorOf(request), id(request))),
    );
    on('get', '/:id/model_permissions', async request => permissionsOf(await this.#office.find(id(request))));
    on('post', '/:id/model_permissions', async request => {
      const { mode, model_ids: names } = readBody(modelPermissionsUpdate, request.body);
      return permissionsOf(await this.#office.permit(actorOf(request), id(request), { mode, names }));
    });
    on('delete', '/:id/model_permissions', async request => {
      await this.#office.permit(actorOf(request), id(request), null);
      return { object: 'project.model_permissions.deleted', deleted: true };
    });
    on('get', '/:id/rate_limits', request => this.#listLimits(request));
    on('post', '/:id/rate_limits/:limit', request => this.#limit(request));
  }

  async #list({ query }: Asked<Params>): Promise<object> {
    const all = await this.#office.list();
    const isAll = query['include_archived'] === 'true';
    const shown = all.filter(({ archivedAt }) => isAll || archivedAt === null);
    return pageOf(shown.reverse(), readPaging(query, 20, 100), toProjectObject);
  }

  async #listLimits(request: Asked<Params>): Promise<object> {
    const { limits } = await this.#office.find(request.params.id);
    const all = Object.entries(limits).map(([model, each]) => ({ id: `rl-${model}`, model, each }));
    const paging = readPaging(request.query, 100, 100);
    return pageOf(all, paging, ({ model, each }) => toRateLimitObject(model, each));
  }

  async #limit(request: Asked<Params>): Promise<object> {
    const model = RATE_LIMIT.exec(request.params.limit)?.[1];
    if (model === undefined)
      throw new DispatchError('not_found', {
        message:
          'No such rate limit. Its id is rl- and the name of a model, or rl-* for all models together.',
      });
    const changed = limitsIn(readBody(rateLimitUpdate, request.body));
    const { limits } = await this.#office.limit(actorOf(request), request.params.id, model, changed);
    return toRateLimitObject(model, limits[model] ?? {});
  }
}

/** All may be used where nothing is said. */
function permissionsOf({ models }: Project): object {
  const { mode, names } = models ?? { mode: 'deny_list', names: [] };
  return { object: 'project.model_permissions', mode, model_ids: names };
}
