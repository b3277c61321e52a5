/**
 * OpenAI's Responses API. A foreground response is a chat completion that is translated on its way out and kept when it is
 * whole; a background response is a stored run whose log grows while it runs. Response objects and events are told from what
 * is stored whenever somebody asks, so any node tells the same.
 */
import { decideTier } from '@penstock/policy';
import {
  type ChatChunk,
  type ChatMessage,
  DispatchError,
  encodeOps,
  isFinalStatus,
  type LogOp,
  messagesOf,
  parseJson,
  type ResponsesRequest,
  readResponsesRequest,
  type StoredRun,
  toInputItems,
} from '@penstock/protocol';
import type { RunLog } from '@penstock/transport';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HoldAbout } from '../dispatch/hold.ts';
import {
  dispatch,
  type ReadRequest,
  type SubmitDeps,
  sessionHeader,
  understand,
} from '../dispatch/submit.ts';
import { EventStream } from '../http/event-stream.ts';
import { pageOf, readPaging } from '../http/paging.ts';
import { holding, NO_PREFERENCES, type Preferences, readPreferences } from '../intake/preferences.ts';
import { chainKeyOf } from '../placement/session-key.ts';
import { baseHeaders } from '../replies/http-reply.ts';
import { ResponseReply } from '../replies/response-reply.ts';
import { pollHeaders } from '../runs/poll-headers.ts';
import {
  baseOf,
  detailIn,
  detailOf,
  type ResponseDetail,
  ResponseStory,
  responseObject,
} from '../runs/response-view.ts';
import { isKeyed, newRun, type RunAbout, type Runs } from '../runs/runs.ts';
import { assertLogKept, pourLog } from '../runs/stream-log.ts';

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
  readonly #runs: Runs;
  readonly #runLog: RunLog;
  readonly #mostBytes: number;

  /** @param mostBytes that a request may have together with the responses it follows. */
  constructor(runs: Runs, runLog: RunLog, mostBytes: number) {
    this.#runs = runs;
    this.#runLog = runLog;
    this.#mostBytes = mostBytes;
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
    const preferences = readPreferences(request.headers['prefer']);
    const how = howOf(asked, preferences, request);
    const chat = { ...asked.chat, messages, ...(how.isRun ? STREAMED : {}) };
    const body = Buffer.from(JSON.stringify(chat));
    if (body.length > this.#mostBytes) throw this.#tooLong();
    const read = understand(deps, 'chat', body, chat, acceptedAt);
    const tier = decideTier(asked.tier, !how.isBackground);
    const told = detailOf(asked, chain);
    const params = { ...told.params, service_tier: tier.used };
    const detail = { ...told, params, background: how.isBackground };
    const about = {
      kind: 'response',
      detail: JSON.stringify(detail),
      log: 'deltas',
      lane: tier.lane,
    } as const;
    if (how.isRun) return this.#run(deps, about, read, request, reply, asked.stream, preferences);
    const base = baseOf(request.id, acceptedAt, detail);
    const keep = async (completion: ChatChunk, ops: readonly LogOp[], isCut: boolean) => {
      if (asked.store) await this.#keep(deps, about.detail, read, request, { completion, ops, isCut });
    };
    return dispatch(
      deps,
      'chat',
      { ...read, summary: { ...read.summary, tier: asked.tier } },
      request,
      reply,
      {
        // A response that may not be stored cannot be come back for: the client is held, for as long as any other.
        ...{ preferences: preferences.respondAsync ? NO_PREFERENCES : preferences, chain },
        dress: sink => new ResponseReply(sink, base, keep),
        hold: asked.store ? this.#hold(deps, read, request, detail) : 'refuse',
      },
    );
  }

  /** As a stored run: in the background, or because its key may be used again. */
  async #run(
    deps: SubmitDeps,
    about: RunAbout,
    read: ReadRequest,
    request: FastifyRequest,
    reply: FastifyReply,
    isStreamed: boolean,
    preferences: Preferences,
  ): Promise<unknown> {
    let run = await this.#runs.accept(deps, 'chat', read, request, about);
    const isSentAway = preferences.respondAsync;
    const isFollowed = isStreamed && !isSentAway;
    const { heldMs, headers } = holding(
      preferences,
      isFollowed || detailIn(run).background ? 0 : deps.holdMs,
    );
    reply.headers(headers);
    if (isFollowed) return this.#follow(deps, run, -1, request, reply);
    if (heldMs > 0) await this.#runs.untilDone(run.id, heldMs);
    if (heldMs > 0) run = await this.#runs.look(deps, run.id, run.tenant, 'response');
    const isOpen = !isFinalStatus(run.status);
    if (isStreamed && !isOpen && heldMs > 0) return this.#follow(deps, run, -1, request, reply);
    reply.headers({ ...baseHeaders(request.id, read.acceptedAt), ...(isOpen ? pollHeaders(deps, run) : {}) });
    if (isOpen && (isSentAway || heldMs > 0))
      void reply.code(202).header('location', `/v1/responses/resp_${run.id}`);
    return reply.send(await this.#object(run));
  }

  /** A foreground response whose client waited too long goes on as one in the background. */
  #hold(deps: SubmitDeps, read: ReadRequest, request: FastifyRequest, detail: ResponseDetail): HoldAbout {
    const background = JSON.stringify({ ...detail, background: true });
    const about = { kind: 'response', detail: background, log: 'deltas', lane: 'interactive' } as const;
    return {
      run: newRun(deps, 'chat', read, request, about),
      location: `/v1/responses/resp_${request.id}`,
      describe: run => ({ body: responseObject(run, []), headers: pollHeaders(deps, run) }),
    };
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
    await this.#runs.store.keep(run, { status, result, log: 'deltas', last }, this.#runs.ttl).catch(() => {});
  }

  /** The messages of a chain of earlier responses, oldest first, and what the chain is known by. */
  async #history(previousId: string | null, tenant: string): Promise<History> {
    let root: string | null = null;
    let bytes = 0;
    const parts: ChatMessage[][] = [];
    for (let id = previousId; id !== null; ) {
      const run = await this.#runs.find(runIdOf(id), tenant, 'response').catch(() => null);
      if (run?.result?.status !== 200)
        throw new DispatchError('previous_response_not_found', { param: 'previous_response_id' });
      if (parts.length >= MAX_CHAIN)
        throw new DispatchError('invalid_request', {
          message: `A response may follow ${MAX_CHAIN} others. Begin a new chain with what matters of it.`,
          param: 'previous_response_id',
        });
      bytes += run.detail.length + run.result.body.length;
      if (bytes > this.#mostBytes) throw this.#tooLong();
      const detail = detailIn(run);
      parts.unshift([...messagesOf(detail.input), ...answerOf(run.result.body)]);
      root = detail.chain ?? chainKeyOf(null, run.id);
      id = detail.previousId;
    }
    return { earlier: parts.flat(), root };
  }

  #tooLong(): DispatchError {
    return new DispatchError('body_too_large', {
      message: `The input and the responses before it have more than ${this.#mostBytes} bytes. Begin a new chain with what matters of it.`,
      param: 'previous_response_id',
    });
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
    // One in the foreground can be found while it runs only where a key keeps it going: it may be stopped too.
    if (!detailIn(run).background && isFinalStatus(run.status) && run.status !== 'cancelled')
      throw new DispatchError('invalid_request', { message: 'Cannot cancel a synchronous response.' });
    await this.#runs.stop(deps, run);
    const now = await this.#find(deps, request);
    reply.headers(baseHeaders(request.id, deps.clock.now()));
    return reply.send(await this.#object(now));
  }

  async remove(deps: SubmitDeps, request: Route, reply: FastifyReply): Promise<unknown> {
    const run = await this.#runs.stop(deps, await this.#find(deps, request));
    await this.#runs.store.remove(run.id, null);
    reply.headers(baseHeaders(request.id, deps.clock.now()));
    return reply.send({ id: `resp_${run.id}`, object: 'response', deleted: true });
  }

  async inputItems(deps: SubmitDeps, request: Route, reply: FastifyReply): Promise<unknown> {
    const run = await this.#find(deps, request);
    const paging = readPaging(request.query, 20, 100);
    const items = toInputItems(detailIn(run).input, `item_${run.id}`);
    reply.headers(baseHeaders(request.id, deps.clock.now()));
    return reply.send(pageOf(items.reverse(), paging, item => item));
  }

  #find(deps: SubmitDeps, request: Route): Promise<StoredRun> {
    return this.#runs.look(deps, runIdOf(request.params.id), request.tenant, 'response');
  }

  /** Sends the events after a number, and goes on until the response is final or the reader gone. */
  async #follow(
    deps: SubmitDeps,
    first: StoredRun,
    after: number,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    await assertLogKept(this.#runLog, first);
    const story = new ResponseStory(first, after);
    const stream = new EventStream(reply, deps.keepAliveMs, {
      ...(reply.getHeaders() as Record<string, string>),
      ...baseHeaders(request.id, deps.clock.now()),
    });
    await stream.write(story.start());
    await pourLog({ runs: this.#runs.store, runLog: this.#runLog }, first.id, stream, {
      // Deleted meanwhile: a clean end would look like a whole answer.
      tell: news => (news.kind === 'final' && news.run === null ? null : story.tell(news)),
      onSilence: () => this.#runs.expire(deps, first),
    });
  }
}

/** The engine streams whatever is logged while it runs. */
const STREAMED = { stream: true, stream_options: { include_usage: true } } as const;

/** `respond-async` asks for the background where the answer may be stored at all; otherwise it is not applied. */
function howOf(asked: ResponsesRequest, preferences: Preferences, request: FastifyRequest) {
  const isBackground = asked.background || (preferences.respondAsync && asked.store);
  if (isKeyed(request) && !asked.store)
    throw new DispatchError('invalid_request', {
      message: 'Idempotency-Key can only be used when `store` is true.',
      param: 'Idempotency-Key',
    });
  return { isBackground, isRun: isBackground || isKeyed(request) };
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
