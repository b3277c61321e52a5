/** What projects use of their limits, the fullest first. */
import { fullestOf, type LimitUse, type ProjectUse } from '@penstock/access';
import { isTenant } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { TenantsView } from '../shared/tenant-rows.ts';
import type { Guard } from './guard.ts';
import { HttpError } from './http-error.ts';
import { reached } from './reached.ts';

export type TenantReader = Pick<LimitUse, 'latest' | 'of'>;

const AWAY = 'What tenants use of their limits cannot be read now: is Redis there?';
/** Those whose limits were looked at last; each takes some five commands of Redis. */
const MOST_LOOKED = 1000;
/** On the page. */
const MOST_ROWS = 50;
/** However many pages are open, it is looked no more often, ms. */
const LOOK_MS = 2000;

const query = z.object({ find: z.string().max(200).default('') });

export function serveTenants(
  app: FastifyInstance,
  guard: Guard,
  reader: TenantReader,
  clock: Pick<Clock, 'monotonic'>,
): void {
  let looked: { readonly at: number; readonly uses: Promise<ProjectUse[]> } | null = null;
  const look = () => {
    const now = clock.monotonic();
    if (looked === null || now - looked.at >= LOOK_MS) {
      const uses = reader.latest(MOST_LOOKED).then(ids => reader.of(ids));
      const fresh = { at: now, uses };
      looked = fresh;
      // What failed is asked again by the next page.
      uses.catch(() => {
        if (looked === fresh) looked = null;
      });
    }
    return looked.uses;
  };
  app.get('/api/tenants', async (request, reply) => {
    guard.session(request);
    const given = query.safeParse(request.query);
    if (!given.success) throw new HttpError(400, 'Give find as a text of 200 characters or fewer.');
    const view = await reached(
      look().then(uses => viewOf(reader, uses, given.data.find)),
      AWAY,
    );
    return reply.header('cache-control', 'no-store').send(view);
  });
}

async function viewOf(reader: TenantReader, uses: readonly ProjectUse[], find: string): Promise<TenantsView> {
  const text = find.trim().toLowerCase();
  const found = uses.filter(
    ({ id, name }) => id.startsWith(text) || name?.toLowerCase().includes(text) === true,
  );
  // One that was not active lately is found by its whole id.
  const other = found.length === 0 && isTenant(text) ? await reader.of([text]) : [];
  const tenants = [...found, ...other.filter(({ limits }) => limits.length > 0)]
    .map(use => ({ use, full: fullestOf(use) }))
    .sort((a, b) => b.full - a.full || (a.use.id < b.use.id ? -1 : 1));
  return {
    tenants: tenants.slice(0, MOST_ROWS).map(({ use }) => use),
    ...{ looked: uses.length, most: MOST_LOOKED, found: tenants.length },
  };
}
