/** Batches over HTTP: those that are under way, and any by its id. Neither their lines nor what clients noted on them. */
import { type BatchRecord, isToken, toBatchObject } from '@penstock/protocol';
import type { TaskRecords } from '@penstock/transport';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Guard } from './guard.ts';
import { HttpError } from './http-error.ts';
import { reached } from './reached.ts';

export type BatchReader = Pick<TaskRecords, 'batch' | 'openBatches'>;

const AWAY = 'The batches cannot be read now: is Redis there?';
/** On one page, the newest. */
const MOST_BATCHES = 200;

export function serveBatches(app: FastifyInstance, guard: Guard, records: BatchReader): void {
  app.get('/api/batches', async (request, reply) => {
    guard.session(request);
    const ids = await reached(records.openBatches(), AWAY);
    const found = await reached(
      Promise.all(ids.slice(0, 10 * MOST_BATCHES).map(id => records.batch(id))),
      AWAY,
    );
    const batches = found.filter(batch => batch !== null).sort((a, b) => b.createdAt - a.createdAt);
    return unkept(reply).send({ total: ids.length, batches: batches.slice(0, MOST_BATCHES).map(shown) });
  });
  app.get<{ Params: { id: string } }>('/api/batches/:id', async (request, reply) => {
    guard.session(request);
    const { id } = request.params;
    const batch = isToken(id) ? await reached(records.batch(id), AWAY) : null;
    if (batch === null) throw new HttpError(404, 'There is no batch of this id, or no longer.');
    return unkept(reply).send({ batch: shown(batch) });
  });
}

function shown(batch: BatchRecord): object {
  return { ...toBatchObject({ ...batch, metadata: null }), tenant: batch.tenant };
}

function unkept(reply: FastifyReply): FastifyReply {
  return reply.header('cache-control', 'no-store');
}
