/** Stored chat completions (`store: true`): kept with their messages, listed, named with metadata, deleted. */
import { Readable } from 'node:stream';
import {
  clientContentType,
  completionUpdate,
  DispatchError,
  isFinalStatus,
  JSON_CONTENT_TYPE,
  parseJson,
  publicId,
  type RunOutline,
  runIdIn,
  type StoredRun,
} from '@penstock/protocol';
import { type RunCanceller, runNotFound } from '@penstock/runs';
import type { PageOrder, RunStore } from '@penstock/transport';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Api, Guards } from '../http/guards.ts';
import { answer, baseHeaders } from '../http/headers.ts';
import { pageOf, readPaging, toPage } from '../http/paging.ts';
import { completionDetailIn, storedCompletion } from '../runs/completion-view.ts';
import { jobObject } from '../runs/job-view.ts';
import type { PollHints } from '../runs/poll-hints.ts';
import { roomFor, type StoredReads } from '../runs/stored-reads.ts';
import type { AnswerRoom } from '../sending/answer-room.ts';
import { slicesOf } from '../sending/answer-writer.ts';

type Route = { Params: { id: string }; Querystring: Record<string, string | undefined> };
type CompletionRequest = FastifyRequest<Route>;

/** Records read in one step of a list. */
const STEP = 100;

export interface StoredCompletionsOptions {
  readonly store: RunStore;
  readonly reads: StoredReads;
  readonly room: AnswerRoom;
  readonly canceller: RunCanceller;
  readonly pollHints: PollHints;
}

export class StoredCompletionsApi implements Api {
  readonly #o: StoredCompletionsOptions;

  constructor(options: StoredCompletionsOptions) {
    this.#o = options;
  }

  addTo(app: FastifyInstance, { admit: onRequest }: Guards): void {
    const path = '/v1/chat/completions';
    app.get<Route>(path, { onRequest }, (request, reply) => this.#list(request, reply));
    app.get<Route>(`${path}/:id`, { onRequest }, (request, reply) => this.#show(request, reply));
    app.post<Route>(`${path}/:id`, { onRequest }, async (request, reply) =>
      answer(reply, request, await this.#update(request, reply)),
    );
    app.delete<Route>(`${path}/:id`, { onRequest }, async (request, reply) =>
      answer(reply, request, await this.#remove(request, reply)),
    );
    app.get<Route>(`${path}/:id/messages`, { onRequest }, async (request, reply) =>
      answer(reply, request, await this.#messages(request, reply)),
    );
  }

  async #show(request: CompletionRequest, reply: FastifyReply): Promise<FastifyReply> {
    const run = await this.#find(request, reply);
    // A client that was referred here by a 202 learns why there is no answer.
    if (run.result !== null && run.result.status !== 200)
      return reply
        .code(run.result.status)
        .headers(baseHeaders(request, reply.elapsedTime))
        .type(clientContentType(run.result.contentType))
        .send(run.result.body);
    if (isFinalStatus(run.status)) return answer(reply, request, shown(run));
    return answer(reply.code(202).headers(this.#o.pollHints.headers(run)), request, jobObject(run));
  }

  async #update(request: CompletionRequest, reply: FastifyReply): Promise<object> {
    const run = await this.#find(request, reply);
    if (!Buffer.isBuffer(request.body)) throw new DispatchError('unsupported_media_type');
    const parsed = completionUpdate.safeParse(parseJson(request.body));
    if (!parsed.success)
      throw new DispatchError('invalid_request', {
        message:
          '`metadata` can have up to 16 pairs, with keys of up to 64 characters and values of up to 512.',
        param: 'metadata',
      });
    const detail = JSON.stringify({ ...completionDetailIn(run), metadata: parsed.data.metadata ?? {} });
    await this.#o.store.describe(run.id, detail, parsed.data.metadata ?? {});
    return shown({ ...run, detail });
  }

  async #remove(request: CompletionRequest, reply: FastifyReply): Promise<object> {
    const run = await this.#find(request, reply);
    // Its id stays in the list until it expires: it may be the `after` cursor of a client that is paging.
    await this.#o.canceller.remove(run);
    return { id: publicId(run), object: 'chat.completion.deleted', deleted: true };
  }

  async #messages(request: CompletionRequest, reply: FastifyReply): Promise<object> {
    const run = await this.#find(request, reply);
    const paging = readPaging({ order: 'asc', ...request.query }, 20, 100);
    const messages = completionDetailIn(run).messages.map((message, i) => ({
      id: `${publicId(run)}-${i}`,
      ...message,
    }));
    return pageOf(messages.reverse(), paging, toMessage);
  }

  /** Pages by creation time, so that what comes meanwhile moves nothing. Oldest first unless asked otherwise. */
  async #list(request: CompletionRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { model, ...query } = request.query;
    const paging = readPaging({ order: 'asc', ...query }, 20, 100);
    const wanted = metadataFilter(query);
    const matches = async (run: RunOutline) =>
      run.code === 200 &&
      isFinalStatus(run.status) &&
      (model === undefined || run.model === model) &&
      (wanted.length === 0 || hasAll(await this.#labelsOf(run, request, reply), wanted));
    const found = await this.#collect(request.tenant, paging, matches);
    const page = found && { items: found.slice(0, paging.limit), hasMore: found.length > paging.limit };
    const head = toPage(
      page && { ...page, items: page.items.map(run => ({ ...run, id: publicId(run) })) },
      () => null,
    );
    const shown = this.#items(page?.items ?? [], request, reply);
    return reply
      .headers(baseHeaders(request, reply.elapsedTime))
      .type(JSON_CONTENT_TYPE)
      .send(Readable.from(listed(head, shown), { objectMode: false }));
  }

  /** Records of an earlier version have no labels of their own. */
  async #labelsOf({ id, labels, bytes }: RunOutline, { tenant }: FastifyRequest, { raw }: FastifyReply) {
    if (labels !== undefined) return labels;
    const giveBack = await this.#o.room.of(raw, tenant).reserve(roomFor(bytes));
    const run = await this.#o.store.read(id);
    giveBack();
    return run === null ? {} : completionDetailIn(run).metadata;
  }

  /** One more than asked for, where there is one; null for an unknown `after`. */
  async #collect(
    tenant: string,
    { limit, order, after }: PageOrder,
    matches: (run: RunOutline) => Promise<boolean>,
  ): Promise<RunOutline[] | null> {
    const { store } = this.#o;
    const found: RunOutline[] = [];
    let last = after === null ? null : runIdIn('completion', after);
    if (after !== null && last === null) return null;
    for (;;) {
      const ids = await store.completions.page(tenant, order, last, STEP);
      if (ids === null) return null;
      for (const run of await store.outlines(ids)) {
        if (run !== null && (await matches(run))) found.push(run);
        if (found.length > limit) return found;
      }
      if (ids.length < STEP) return found;
      last = ids.at(-1) ?? null;
    }
  }

  /** The next is read once its reader has taken the one before. */
  async *#items(
    runs: readonly RunOutline[],
    { tenant }: FastifyRequest,
    { raw }: FastifyReply,
  ): AsyncGenerator<string> {
    for (const { id, bytes } of runs) {
      const giveBack = await this.#o.room.of(raw, tenant).reserve(roomFor(bytes));
      const run = await this.#o.store.read(id);
      if (run?.result?.status === 200) yield JSON.stringify(storedCompletion(run));
      giveBack();
    }
  }

  #find(request: CompletionRequest, reply: FastifyReply): Promise<StoredRun> {
    return this.#o.reads.look(request.params.id, 'completion', request, reply);
  }
}

/** @throws DispatchError where it ended without an answer. */
function shown(run: StoredRun): object {
  if (run.result === null) return jobObject(run);
  if (run.result.status !== 200) throw runNotFound('completion', publicId(run));
  return storedCompletion(run);
}

function toMessage({ content, ...message }: Record<string, unknown>): object {
  const parts = Array.isArray(content) ? content : null;
  const text = parts === null ? (content ?? null) : null;
  return { name: null, refusal: null, ...message, content: text, content_parts: parts };
}

/** A list whose items come one after the other. @param head all of it but its items. */
async function* listed(head: object, items: AsyncIterable<string>): AsyncGenerator<Buffer> {
  let before = '{"data":[';
  for await (const item of items) {
    yield* slicesOf(Buffer.from(before + item));
    before = ',';
  }
  const { data: _data, ...rest } = head as { data: unknown };
  yield Buffer.from(`${before === ',' ? '' : before}],${JSON.stringify(rest).slice(1)}`);
}

function hasAll(labels: Readonly<Record<string, string>>, wanted: readonly [string, string][]): boolean {
  return wanted.every(([key, value]) => labels[key] === value);
}

/** `metadata[key]=value`, as the SDKs write it. */
function metadataFilter(query: Readonly<Record<string, string | undefined>>): [string, string][] {
  return Object.entries(query).flatMap(([name, value]): [string, string][] => {
    const key = /^metadata\[(.+)\]$/.exec(name)?.[1];
    return key === undefined || value === undefined ? [] : [[key, value]];
  });
}
