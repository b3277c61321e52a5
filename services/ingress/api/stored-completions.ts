/** Stored chat completions (`store: true`): kept with their messages, listed, named with metadata, deleted. */
import { DispatchError, isFinalStatus, metadataField, parseJson, type StoredRun } from '@penstock/protocol';
import type { PageOrder } from '@penstock/transport';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { ReadRequest, SubmitDeps } from '../dispatch/submit.ts';
import { pageOf, readPaging, toPage } from '../http/paging.ts';
import { baseHeaders } from '../replies/http-reply.ts';
import { pollHeaders } from '../runs/poll-headers.ts';
import { notFound } from '../runs/runs.ts';
import { jobObject } from './jobs.ts';

/** Kept with the run. */
interface CompletionDetail {
  readonly messages: readonly Record<string, unknown>[];
  readonly metadata: Record<string, string>;
  readonly tier: string;
}

type Route = { Params: { id: string }; Querystring: Record<string, string | undefined> };
type Guard = (request: FastifyRequest) => Promise<void>;

const PREFIX = 'chatcmpl-';
/** Records looked at in one step of a list. */
const STEP = 100;
const update = z.looseObject({ metadata: metadataField.unwrap().unwrap().nullable() });

/** @param body the checked request. */
export function completionDetail(body: unknown, tier: string): string {
  const { messages, metadata } = body as { messages: CompletionDetail['messages']; metadata?: object | null };
  return JSON.stringify({ messages, metadata: metadata ?? {}, tier });
}

function detailIn(run: StoredRun): CompletionDetail {
  return JSON.parse(run.detail) as CompletionDetail;
}

/** The completion under the id that its client knows. */
export function storedCompletion(run: StoredRun): object {
  const answer = JSON.parse(run.result?.body.toString('utf8') ?? '{}') as Record<string, unknown>;
  const { metadata, tier } = detailIn(run);
  return {
    ...answer,
    id: PREFIX + run.id,
    object: 'chat.completion',
    created: answer['created'] ?? Math.floor(run.createdAt / 1000),
    model: answer['model'] ?? run.model,
    service_tier: tier,
    metadata,
  };
}

/** Stores the completion of a call whose client waits for it. A failure costs the stored copy, not the answer. */
export function storing(deps: SubmitDeps, work: ReadRequest, request: FastifyRequest, tier: string) {
  const { id, tenant } = request;
  const { acceptedAt, summary, model } = work;
  const detail = completionDetail(work.parsed, tier);
  const keep = async (completion: object) => {
    const finishedAt = deps.clock.now();
    const run = {
      ...{ id, detail, tenant, stream: '', subject: '', model: summary.model, slug: model.slug },
      ...{ kind: 'completion' as const, endpoint: 'chat' as const },
      ...{ createdAt: acceptedAt, deadlineAt: finishedAt },
    };
    const body = Buffer.from(JSON.stringify(completion));
    const result = { status: 200, contentType: 'application/json', body, finishedAt };
    const { store, ttl } = deps.runs;
    const kept = store.keep(run, { status: 'completed', result, log: 'none', last: null }, ttl);
    await Promise.all([kept, store.completions.add(tenant, id, acceptedAt, ttl)]).catch(() => {});
  };
  const { metadata } = JSON.parse(detail) as CompletionDetail;
  return { id: PREFIX + id, metadata, keep };
}

export function addCompletions(app: FastifyInstance, deps: SubmitDeps, onRequest: Guard): void {
  const path = '/v1/chat/completions';
  app.get<Route>(path, { onRequest }, (request, reply) => list(deps, request, reply));
  app.get<Route>(`${path}/:id`, { onRequest }, async (request, reply) => {
    const run = await find(deps, request);
    // Whoever was sent here with 202 learns why there is no answer.
    if (run.result !== null && run.result.status !== 200)
      return reply
        .code(run.result.status)
        .headers(baseHeaders(request.id, Date.now()))
        .type(run.result.contentType)
        .send(run.result.body);
    if (isFinalStatus(run.status)) return answer(reply, request, shown(run));
    return answer(reply.code(202).headers(pollHeaders(deps, run)), request, jobObject(run));
  });
  app.post<Route>(`${path}/:id`, { onRequest }, async (request, reply) => {
    const run = await find(deps, request);
    if (!Buffer.isBuffer(request.body)) throw new DispatchError('unsupported_media_type');
    const parsed = update.safeParse(parseJson(request.body));
    if (!parsed.success)
      throw new DispatchError('invalid_request', {
        message: 'metadata: up to 16 pairs; keys up to 64 characters, values up to 512.',
        param: 'metadata',
      });
    const detail = JSON.stringify({ ...detailIn(run), metadata: parsed.data.metadata ?? {} });
    await deps.runs.store.describe(run.id, detail);
    return answer(reply, request, shown({ ...run, detail }));
  });
  app.delete<Route>(`${path}/:id`, { onRequest }, async (request, reply) => {
    const run = await deps.runs.stop(deps, await find(deps, request));
    // Its id stays in the list until it is as old as any there: a client that pages may have come this far.
    await deps.runs.store.remove(run.id, null);
    return answer(reply, request, { id: PREFIX + run.id, object: 'chat.completion.deleted', deleted: true });
  });
  app.get<Route>(`${path}/:id/messages`, { onRequest }, async (request, reply) => {
    const run = await find(deps, request);
    const paging = readPaging({ order: 'asc', ...request.query }, 20, 100);
    const messages = detailIn(run).messages.map((message, i) => ({
      id: `${PREFIX}${run.id}-${i}`,
      ...message,
    }));
    return answer(reply, request, pageOf(messages.reverse(), paging, toMessage));
  });
}

async function find(deps: SubmitDeps, request: FastifyRequest<Route>): Promise<StoredRun> {
  const { id } = request.params;
  const runId = id.startsWith(PREFIX) ? id.slice(PREFIX.length) : '';
  return deps.runs.look(deps, runId, request.tenant, 'completion');
}

/** @throws DispatchError where it ended without an answer. */
function shown(run: StoredRun): object {
  if (run.result === null) return jobObject(run);
  if (run.result.status !== 200) throw notFound('completion', run.id);
  return storedCompletion(run);
}

function toMessage({ content, ...message }: Record<string, unknown>): object {
  const parts = Array.isArray(content) ? content : null;
  const text = parts === null ? (content ?? null) : null;
  return { name: null, refusal: null, ...message, content: text, content_parts: parts };
}

/** Pages by creation time, so that what comes meanwhile moves nothing. Oldest first unless asked otherwise. */
async function list(
  deps: SubmitDeps,
  request: FastifyRequest<Route>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { model, ...query } = request.query;
  const paging = readPaging({ order: 'asc', ...query }, 20, 100);
  const wanted = metadataFilter(query);
  const matches = (run: StoredRun) =>
    run.result?.status === 200 &&
    (model === undefined || run.model === model) &&
    wanted.every(([key, value]) => detailIn(run).metadata[key] === value);
  const found = await collect(deps, request.tenant, paging, matches);
  const shownAs = (run: StoredRun) => storedCompletion(run) as { id: string };
  const page = found && {
    items: found.slice(0, paging.limit).map(shownAs),
    hasMore: found.length > paging.limit,
  };
  return answer(
    reply,
    request,
    toPage(page, item => item),
  );
}

/** One more than asked for, where there is one; null for an unknown `after`. */
async function collect(
  deps: SubmitDeps,
  tenant: string,
  { limit, order, after }: PageOrder,
  matches: (run: StoredRun) => boolean,
): Promise<StoredRun[] | null> {
  const found: StoredRun[] = [];
  let last = after === null ? null : after.replace(PREFIX, '');
  for (;;) {
    const ids = await deps.runs.store.completions.page(tenant, order, last, STEP);
    if (ids === null) return null;
    for (const run of await Promise.all(ids.map(id => deps.runs.store.read(id)))) {
      if (run !== null && matches(run)) found.push(run);
      if (found.length > limit) return found;
    }
    if (ids.length < STEP) return found;
    last = ids.at(-1) ?? null;
  }
}

/** `metadata[key]=value`, as the SDKs write it. */
function metadataFilter(query: Readonly<Record<string, string | undefined>>): [string, string][] {
  return Object.entries(query).flatMap(([name, value]): [string, string][] => {
    const key = /^metadata\[(.+)\]$/.exec(name)?.[1];
    return key === undefined || value === undefined ? [] : [[key, value]];
  });
}

function answer(reply: FastifyReply, request: FastifyRequest, body: object): FastifyReply {
  return reply.headers(baseHeaders(request.id, Date.now())).send(body);
}
