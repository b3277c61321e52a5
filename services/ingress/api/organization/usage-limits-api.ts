/** What projects use of their limits now. OpenAI's usage API tells of the past only; this stands beside it. */
import type { LimitUse } from '@penstock/access';
import { DispatchError, isTenant, toLimitUsageObject } from '@penstock/protocol';
import type { FastifyInstance } from 'fastify';
import type { Api, Guards } from '../../http/guards.ts';
import { itemsOf, readPaging, toPage } from '../../http/paging.ts';
import { type Asked, adminRoutes } from './routes.ts';

const PATH = '/v1/organization/usage/limits';
/** Projects that can be paged through: those whose limits were looked at last. */
const MOST_PROJECTS = 10_000;
const MOST_NAMED = 100;

type Named = Readonly<Record<string, string | readonly string[] | undefined>>;

export class UsageLimitsApi implements Api {
  readonly #use: Pick<LimitUse, 'latest' | 'of'>;

  constructor(use: Pick<LimitUse, 'latest' | 'of'>) {
    this.#use = use;
  }

  addTo(app: FastifyInstance, guards: Guards): void {
    const on = adminRoutes<object>(app, guards, PATH);
    on('get', '', request => this.#list(request));
  }

  /** Only of the projects on the page is anything read. */
  async #list({ query }: Asked<object>): Promise<object> {
    const order = readPaging(query, 20, 100);
    const ids = namedIn(query as Named) ?? (await this.#use.latest(MOST_PROJECTS));
    const page = itemsOf(
      ids.map(id => ({ id })),
      order,
    );
    const uses = await this.#use.of(page?.items.map(({ id }) => id) ?? []);
    return toPage(page === null ? null : { ...page, items: uses }, toLimitUsageObject);
  }
}

/** Null where none is named. */
function namedIn(query: Named): string[] | null {
  const ids = [query['project_ids'] ?? [], query['project_ids[]'] ?? []].flat();
  if (ids.length > MOST_NAMED)
    throw new DispatchError('invalid_request', {
      message: `Name ${MOST_NAMED} projects or fewer.`,
      param: 'project_ids',
    });
  const wrong = ids.find(id => !isTenant(id));
  if (wrong !== undefined)
    throw new DispatchError('invalid_request', {
      message: 'Not the id of a project. GET /v1/organization/projects lists them.',
      param: 'project_ids',
    });
  return ids.length === 0 ? null : [...new Set(ids)];
}
