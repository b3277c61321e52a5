/** The life of one request, of whichever tenant: its trail and its record. Neither its prompt nor its answer. */
import { isToken, type StoredRun, type TrailEvent, trailInWords } from '@penstock/protocol';
import type { RequestTrails, RunStore } from '@penstock/transport';
import type { FastifyInstance } from 'fastify';
import type { Guard } from './guard.ts';
import { HttpError } from './http-error.ts';
import { reached } from './reached.ts';

export interface RequestReader {
  readonly trails: Pick<RequestTrails, 'read'>;
  readonly runs: Pick<RunStore, 'read'>;
}

/** What ids have before them where clients see them. */
const PREFIX = /^(req_|resp_|chatcmpl-)/;
const AWAY = 'Requests cannot be looked up now: is Redis there?';
const UNKNOWN =
  'Nothing is known of this request. Requests that failed, a sample of the others (PENSTOCK_TRAIL_SAMPLE) and jobs are known, for an hour.';

export function serveRequests(app: FastifyInstance, guard: Guard, { trails, runs }: RequestReader): void {
  app.get<{ Params: { id: string } }>('/api/requests/:id', async (request, reply) => {
    guard.session(request);
    const id = request.params.id.replace(PREFIX, '');
    if (!isToken(id)) throw new HttpError(404, UNKNOWN);
    const [events, run] = await reached(Promise.all([trails.read(id), runs.read(id)]), AWAY);
    if (events.length === 0 && run === null) throw new HttpError(404, UNKNOWN);
    const life = { id, events: trailInWords(events).map(shownEvent), run: run && shownRun(run) };
    return reply.header('cache-control', 'no-store').send(life);
  });
}

function shownEvent({ event, afterMs, text }: { event: TrailEvent; afterMs: number; text: string }): object {
  return { kind: event.kind, at: event.at, by: event.by, after_ms: Math.round(afterMs), text };
}

function shownRun({ kind, tenant, model, endpoint, address, status, attempt, createdAt, ...run }: StoredRun) {
  return {
    ...{ kind, tenant, model, endpoint, status, attempts: attempt, lane: address?.lane ?? null },
    ...{ created_at: createdAt, deadline_at: run.deadlineAt, finished_at: run.result?.finishedAt ?? null },
  };
}
