/** OpenAI's admin API of the audit log: what was done in the region and who was refused, newest first. */
import {
  type AuditEntry,
  auditLogId,
  auditLogSeq,
  DispatchError,
  toAuditLogObject,
} from '@penstock/protocol';
import type { AuditLog } from '@penstock/transport';
import type { FastifyInstance } from 'fastify';
import type { Api, Guards } from '../../http/guards.ts';
import { readPaging, toPage } from '../../http/paging.ts';
import { type Asked, adminRoutes } from './routes.ts';

const PATH = '/v1/organization/audit_logs';
/** Values of one filter. */
const MOST_VALUES = 100;

/** A list comes as `event_types[]`, once for each value, as the SDKs send it. */
type Filters = Readonly<Record<string, string | readonly string[] | undefined>>;

export class AuditLogsApi implements Api {
  readonly #audit: Pick<AuditLog, 'search'>;

  constructor(audit: Pick<AuditLog, 'search'>) {
    this.#audit = audit;
  }

  addTo(app: FastifyInstance, guards: Guards): void {
    const on = adminRoutes<object>(app, guards, PATH);
    on('get', '', request => this.#list(request));
  }

  async #list({ query }: Asked<object>): Promise<object> {
    const { limit, order, after } = readPaging(query, 20, 100);
    if (order !== 'desc') throw wrong('order', 'The audit log is read newest first: leave out `order`.');
    const before = after === null ? null : auditLogSeq(after);
    if (after !== null && before === null) return toPage(null, () => null);
    const isWanted = readFilters(query as Filters);
    const found = await this.#audit.search({ before, most: limit + 1, isWanted });
    const items = found.slice(0, limit).map(({ seq, entry }) => ({ id: auditLogId(seq), seq, entry }));
    return toPage({ items, hasMore: found.length > limit }, ({ seq, entry }) => toAuditLogObject(seq, entry));
  }
}

/** A filter that is not known would be taken for one that was met. */
const UNKNOWN: Readonly<Record<string, string>> = {
  before: 'Page with `after`, from the newest entry to the oldest.',
  actor_emails: 'Actors have no e-mail addresses here. Use `actor_ids`.',
};

function readFilters(query: Filters): (entry: AuditEntry) => boolean {
  for (const [param, words] of Object.entries(UNKNOWN))
    if (valuesOf(query, param) !== null) throw wrong(param, words);
  const types = valuesOf(query, 'event_types');
  const actors = valuesOf(query, 'actor_ids');
  const projects = valuesOf(query, 'project_ids');
  const resources = valuesOf(query, 'resource_ids');
  const isInTime = readTimes(query);
  return ({ at, action, who, project, targets }) =>
    isInTime(Math.floor(at / 1000)) &&
    (types === null || types.has(action)) &&
    (actors === null || actors.has(who)) &&
    (projects === null || (project !== undefined && projects.has(project))) &&
    (resources === null || targets.some(target => resources.has(target)));
}

/** Null where nothing is asked for. */
function valuesOf(query: Filters, param: string): ReadonlySet<string> | null {
  const values = [query[param] ?? [], query[`${param}[]`] ?? []].flat();
  if (values.length === 0) return null;
  if (values.length > MOST_VALUES) throw wrong(param, `Give ${MOST_VALUES} values or fewer.`);
  return new Set(values);
}

const BOUNDS: Readonly<Record<string, (at: number, bound: number) => boolean>> = {
  gt: (at, bound) => at > bound,
  gte: (at, bound) => at >= bound,
  lt: (at, bound) => at < bound,
  lte: (at, bound) => at <= bound,
};

function readTimes(query: Filters): (at: number) => boolean {
  const bounds = Object.entries(BOUNDS).flatMap(([name, holds]) => {
    const said = query[`effective_at[${name}]`];
    if (said === undefined) return [];
    const bound = Number(said);
    if (said === '' || !Number.isFinite(bound))
      throw wrong(`effective_at[${name}]`, 'Give a time in Unix seconds.');
    return [(at: number) => holds(at, bound)];
  });
  return at => bounds.every(holds => holds(at));
}

function wrong(param: string, message: string): DispatchError {
  return new DispatchError('invalid_request', { message, param });
}
