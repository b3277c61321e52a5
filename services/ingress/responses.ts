/**
 * OpenAI's Responses API. A foreground response is a chat completion that is translated on its way out and kept when it is
 * whole; a background response is a stored run whose log grows while it runs. Response objects and events are told from what
 * is stored whenever somebody asks, so any node tells the same.
 */
import {
  type ChatChunk,
  type ChatMessage,
  DispatchError,
  encodeOps,
  isFinalStatus,
  type LogOp,
  messagesOf,
  parseJson,
  readResponsesRequest,
  type StoredRun,
  toInputItem,
} from '@penstock/protocol';
import type { RunLog, RunStore, RunTtl } from '@penstock/transport';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventStream } from './event-stream.ts';
import { followLog } from './follow-log.ts';
import { baseHeaders } from './http-reply.ts';
import { type Jobs, pollHeaders } from './jobs.ts';
import type { ReplySink } from './open-request.ts';
import { pageOf, readPaging } from './paging.ts';
import { ResponseReply } from './response-reply.ts';
import { baseOf, detailIn, detailOf, ResponseStory, responseObject } from './response-story.ts';
import { chainKeyOf } from './session-key.ts';
import { dispatch, type ReadRequest, type SubmitDeps, sessionHeader, understand } from './submit.ts';

/** Responses a chain of `previous_response_id` may have. */
const MAX_CHAIN = 200;
/** Log entries read for the partial answer of a response that did not end well. */
const MAX_PARTIAL = 100_000;

export interface ResponseRoute {
  Params: { id: string };
  Querystring: Record<string, string | undefined>;
}
type Route = FastifyRequest<ResponseRoute>;

interface History {
  readonly earlier: readonly ChatMessage[];
  readonly root: string | null;
}

export class Responses {
  readonly #runs: RunStore;
  readonly #runLog: RunLog;
  readonly #jobs: Jobs;
  readonly #ttl: RunTtl;

  constructor(runs: RunStore, runLog: RunLog, jobs: Jobs, ttl: RunTtl) {
    this.#runs = runs;
    this.#runLog = runLog;
    this.#jobs = jobs;
    this.#ttl = ttl;
  }

  async create(deps: SubmitDeps, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const acceptedAt = deps.clock.now();
    if (!Buffer.isBuffer(request.body)) throw new DispatchError('unsupported_media_type');
    const asked = readResponsesRequest(parseJson(request.body));
    const { earlier, root } = await this.#history(asked.previousId, request.tenant);
    // A response that nobody can refer to begins no chain.
    const chain = root ?? (asked.store ? chainKeyOf(sessionHeader(request), request.id) : null);
    const [first, ...rest] = asked.chat.messages;
    // Instructions are of this response only; they come before everything that was said.
    const instructed = asked.params['instructions'] !== null && first !== undefined;
    const messages = instructed ? [first, ...earlier, ...rest] : [...earlier, ...asked.chat.messages];
    const chat = { ...asked.chat, messages };
    const read = understand(deps, 'chat', Buffer.from(JSON.stringify(chat)), chat, acceptedAt);
    const detail = detailOf(asked, chain);
    if (asked.background)
      return this.#createBackground(deps, asked.stream, JSON.stringify(detail), read, request, reply);
    const base = baseOf(request.id, acceptedAt, detail);
    const keep = async (completion: ChatChunk, ops: readonly LogOp[], isCut: boolean) => {
      if (asked.store)
        await this.#keep(deps, JSON.stringify(detail), read, request, { completion, ops, isCut });
    };
    const dress = (sink: ReplySink) => new ResponseReply(sink, base, keep);
    return dispatch(deps, 'chat', read, request, reply, dress, chain);
  }

  async #createBackground(
    deps: SubmitDeps,
    isStreamed: boolean,
    detail: string,
    read: ReadRequest,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<unknown> {
    const about = { kind: 'response', detail, log: 'deltas' } as const;
    const { id } = await this.#jobs.store(deps, 'chat', read, request, about);
    const run = await this.#jobs.find(id, request.tenant, 'response');
    if (isStreamed) return this.#follow(deps, run, -1, request, reply);
    reply.headers({ ...baseHeaders(request.id, read.acceptedAt), ...pollHeaders(deps, run) });
    return reply.send(await this.#object(run));
  }

  async #object(run: StoredRun): Promise<object> {
    const isPartial = run.logLength > 0 && run.result?.status !== 200;
    return responseObject(run, isPartial ? await this.#runLog.peek(run.id, 0, MAX_PARTIAL) : []);
  }

  /** What the client was shown is kept as if a worker had stored it. A failure costs the stored copy, not the answer. */
  async #keep(
    deps: SubmitDeps,
    detail: string,
    read: ReadRequest,
    request: FastifyRequest,
    { completion, ops, isCut }: { completion: ChatChunk; ops: readonly LogOp[]; isCut: boolean },
  ): Promise<void> {
    const now = deps.clock.now();
    const run = {
      id: request.id,
      kind: 'response' as const,
      detail,
      log: 'deltas' as const,
      tenant: request.tenant,
      endpoint: 'chat' as const,
      ...{ model: read.summary.model, slug: read.model.slug, stream: '', subject: '' },
      ...{ createdAt: read.acceptedAt, deadlineAt: now },
    };
    const body = Buffer.from(JSON.stringify(completion));
    const result = { status: 200, contentType: 'application/json', body, finishedAt: now };
    const last = { entry: encodeOps(ops), at: 0 };
    const status = isCut ? 'incomplete' : 'completed';
    await this.#runs.keep(run, { status, result, log: 'deltas', last }, this.#ttl).catch(() => {});
  }

  /** The messages of a chain of earlier responses, oldest first, and what the chain is known by. */
  async #history(previousId: string | null, tenant: string): Promise<History> {
    let root: string | null = null;
    const parts: ChatMessage[][] = [];
    for (let id = previousId; id !== null; ) {
      const run = await this.#jobs.find(runIdOf(id), tenant, 'response').catch(() => null);
      if (run?.result?.status !== 200 || parts.length >= MAX_CHAIN)
        throw new DispatchError('previous_response_not_found', { param: 'previous_response_id' });
      const detail = detailIn(run);
      parts.unshift([...messagesOf(detail.input), ...answerOf(run.result.body)]);
      root = detail.chain ?? chainKeyOf(null, run.id);
      id = detail.previousId;
    }
    return { earlier: parts.flat(), root };
  }

  async show(deps: SubmitDeps, request: Route, reply: FastifyReply): Promise<unknown> {
    const run = await this.#find(deps, request);
    const { stream = 'false' } = request.query;
    const after = startingAfter(request.query['starting_after']);
    if (stream !== 'true' && stream !== 'false')
      throw new DispatchError('invalid_request', { message: 'Use true or false.', param: 'stream' });
    if (stream === 'true') return this.#follow(deps, run, after, request, reply);
    reply.headers(baseHeaders(request.id, deps.clock.now()));
    if (!isFinalStatus(run.status)) reply.headers(pollHeaders(deps, run));
    return reply.send(await this.#object(run));
  }

  async cancel(deps: SubmitDeps, request: Route, reply: FastifyReply): Promise<unknown> {
    const run = await this.#find(deps, request);
    if (!detailIn(run).background)
      throw new DispatchError('invalid_request', { message: 'Cannot cancel a synchronous response.' });
    await this.#jobs.stop(deps, run);
    const now = await this.#find(deps, request);
    reply.headers(baseHeaders(request.id, deps.clock.now()));
    return reply.send(await this.#object(now));
  }

  async remove(deps: SubmitDeps, request: Route, reply: FastifyReply): Promise<unknown> {
    const run = await this.#jobs.stop(deps, await this.#find(deps, request));
    await this.#runs.remove(run.id, null);
    reply.headers(baseHeaders(request.id, deps.clock.now()));
    return reply.send({ id: `resp_${run.id}`, object: 'response', deleted: true });
  }

  async inputItems(deps: SubmitDeps, request: Route, reply: FastifyReply): Promise<unknown> {
    const run = await this.#find(deps, request);
    const paging = readPaging(request.query, 20, 100);
    const items = detailIn(run).input.map((item, i) => toInputItem(item, `item_${run.id}_${i}`));
    reply.headers(baseHeaders(request.id, deps.clock.now()));
    return reply.send(pageOf(items.reverse(), paging, item => item));
  }

  #find(deps: SubmitDeps, request: Route): Promise<StoredRun> {
    return this.#jobs.look(deps, runIdOf(request.params.id), request.tenant, 'response');
  }

  /** Sends the events after a number, and goes on until the response is final or the reader gone. */
  async #follow(
    deps: SubmitDeps,
    first: StoredRun,
    after: number,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    if (isFinalStatus(first.status) && first.logLength > 0) {
      const [head] = await this.#runLog.peek(first.id, 0, 1);
      if (head === undefined) throw new DispatchError('stream_expired');
    }
    const story = new ResponseStory(first, after);
    const stream = new EventStream(reply, deps.keepAliveMs, baseHeaders(request.id, deps.clock.now()));
    let isWhole = false;
    await stream.write(story.start());
    for await (const news of followLog({ runs: this.#runs, runLog: this.#runLog }, first.id)) {
      if (stream.isGone) return;
      await stream.write(story.tell(news));
      if (news.kind === 'silence') await this.#jobs.expire(deps, first);
      if (news.kind === 'final') isWhole = news.run !== null;
    }
    if (isWhole) stream.end();
    else stream.cut();
  }
}

function runIdOf(responseId: string): string {
  return responseId.startsWith('resp_') ? responseId.slice('resp_'.length) : '';
}

/** @throws DispatchError for anything but a whole number. */
function startingAfter(text: string | undefined): number {
  if (text === undefined) return -1;
  if (!/^\d{1,9}$/.test(text))
    throw new DispatchError('invalid_request', {
      message: 'starting_after must be the sequence number of an event.',
      param: 'starting_after',
    });
  return Number(text);
}

/** What the assistant said, as a chat message for the next turn. */
function answerOf(body: Buffer): ChatMessage[] {
  const { choices } = JSON.parse(body.toString('utf8')) as ChatChunk;
  const message = choices?.[0]?.message;
  if (message === undefined) return [];
  const calls = message.tool_calls?.map(call => ({ ...call, type: 'function' }));
  return [{ role: 'assistant', content: message.content ?? null, ...(calls ? { tool_calls: calls } : {}) }];
}
