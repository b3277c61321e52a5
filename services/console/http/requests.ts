/**
 * The latest requests that are known, and the life of one, of whichever tenant: its trail and its record. Neither its prompt nor
 * its answer.
 */
import {
  isToken,
  type StoredRun,
  type TrailEvent,
  type TrailState,
  trailInWords,
  trailStateOf,
} from '@penstock/protocol';
import type { RequestTrails, RunStore } from '@penstock/transport';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { REQUEST_STATES, type RequestRow, type RequestState } from '../shared/words.ts';
import type { Guard } from './guard.ts';
import { HttpError } from './http-error.ts';
import { reached } from './reached.ts';

export interface RequestReader {
  readonly trails: Pick<RequestTrails, 'latest' | 'read'>;
  readonly runs: Pick<RunStore, 'read'>;
}

/** What ids have before them where clients see them. */
const PREFIX = /^(req_|resp_|chatcmpl-)/;
const AWAY = 'Requests cannot be looked up now: is Redis there?';
const UNKNOWN =
  'Nothing is known of this request. Requests that failed, a sample of the others (PENSTOCK_TRAIL_SAMPLE) and jobs are known, for an hour.';

const STATES = Object.keys(REQUEST_STATES) as RequestState[];
/** Rows of the list. */
const MOST_ROWS = 100;
/** Trails that are read at once. */
const PAGE = 200;
const filterQuery = z.object({
  /** The beginning of a tenant, or a part of a model's name. */
  text: z.string().max(200).default(''),
  state: z.enum(['', ...STATES]).default(''),
});
type Filter = z.infer<typeof filterQuery>;

export function serveRequests(app: FastifyInstance, guard: Guard, reader: RequestReader): void {
  const { trails, runs } = reader;
  app.get('/api/requests', async (request, reply) => {
    guard.session(request);
    const filter = filterQuery.safeParse(request.query);
    if (!filter.success) throw new HttpError(400, `Give text, and state as one of ${STATES.join(', ')}.`);
    const requests = await reached(findLatest(reader, filter.data), AWAY);
    return reply.header('cache-control', 'no-store').send({ requests, most: MOST_ROWS });
  });
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

async function findLatest(reader: RequestReader, filter: Filter): Promise<RequestRow[]> {
  const found: RequestRow[] = [];
  for (let from = 0; found.length < MOST_ROWS; from += PAGE) {
    const ids = await reader.trails.latest(from, PAGE);
    const rows = await Promise.all(ids.map(id => rowOf(reader, id)));
    found.push(...rows.filter(row => row !== null).filter(row => matches(row, filter)));
    if (ids.length < PAGE) break;
  }
  return found.slice(0, MOST_ROWS);
}

/** Null where nothing is left of it. */
async function rowOf({ trails, runs }: RequestReader, id: string): Promise<RequestRow | null> {
  const events = await trails.read(id);
  const lines = trailInWords(events);
  const [first, last] = [lines[0], lines.at(-1)];
  if (first === undefined || last === undefined) return null;
  const accepted = events.find(({ kind }) => kind === 'accepted');
  const ownState = trailStateOf(events);
  // What workers add to the trail of a job does not say whose it is, nor what became of it elsewhere.
  const run = accepted === undefined || ownState === 'under_way' ? await runs.read(id) : null;
  return {
    id,
    at: run?.createdAt ?? first.event.at,
    tenant: accepted?.tenant ?? run?.tenant ?? null,
    model: accepted?.model ?? run?.model ?? null,
    endpoint: accepted?.endpoint ?? run?.endpoint ?? null,
    state: run === null ? ownState : stateOfRun(run),
    ms: Math.round(last.afterMs),
    last: last.text,
  };
}

function stateOfRun({ status }: StoredRun): TrailState {
  if (status === 'queued' || status === 'in_progress') return 'under_way';
  if (status === 'cancelled') return 'client_left';
  return status === 'completed' || status === 'incomplete' ? 'done' : 'failed';
}

function matches({ tenant, model, state }: RequestRow, filter: Filter): boolean {
  const text = filter.text.trim().toLowerCase();
  const isOf = tenant?.startsWith(text) || model?.toLowerCase().includes(text);
  return (text === '' || isOf === true) && (filter.state === '' || filter.state === state);
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
