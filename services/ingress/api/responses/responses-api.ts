/**
 * OpenAI's Responses API. A foreground response is a chat completion that is translated on its way out and kept when it is
 * whole; a background response is a stored run whose log grows while it runs. Response objects and events are derived from what
 * is stored whenever somebody asks, so every node tells the same.
 */
import { decideTier } from '@penstock/policy';
import {
  type ChatChunk,
  DispatchError,
  encodeOps,
  exactJson,
  isFinalStatus,
  type LogOp,
  parseJson,
  publicId,
  type ResponsesRequest,
  readResponsesRequest,
  type StoredRun,
  toInputItems,
} from '@penstock/protocol';
import type { AnswerKeeper, RunCanceller, RunFinder, RunWaiters } from '@penstock/runs';
import type { Clock } from '@penstock/runtime';
import type { RunLog } from '@penstock/transport';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ConversionPlan } from '../../dispatch/conversion.ts';
import type { Dispatcher } from '../../dispatch/dispatcher.ts';
import { letGoOfBody } from '../../http/body-reader.ts';
import type { Api, Guards } from '../../http/guards.ts';
import { answer, baseHeaders } from '../../http/headers.ts';
import { pageOf, readPaging } from '../../http/paging.ts';
import { isKeyed } from '../../intake/idempotency.ts';
import { holding, NO_PREFERENCES, type Preferences, readPreferences } from '../../intake/preferences.ts';
import type { InferenceRequest, Intake } from '../../intake/understand.ts';
import { chainKeyOf, sessionHeader } from '../../placement/session-key.ts';
import { ResponseReply } from '../../replies/response-reply.ts';
import type { PollHints } from '../../runs/poll-hints.ts';
import {
  baseOf,
  detailIn,
  detailOf,
  type ResponseDetail,
  ResponseEvents,
  responseObject,
} from '../../runs/response-view.ts';
import { runCallOf } from '../../runs/run-call.ts';
import type { RunAbout, RunIntake } from '../../runs/run-intake.ts';
import { shownCallOf } from '../../runs/shown-call.ts';
import type { LogStreams } from '../../runs/stream-log.ts';
import type { History, ResponseHistory } from './history.ts';

/** Log entries read for the partial answer of a response that did not end well. */
const MAX_PARTIAL = 100_000;
/** The engine streams whatever is logged while it runs. */
const STREAMED = { stream: true, stream_options: { include_usage: true } } as const;

interface ResponseRoute {
  Params: { id: string };
  Querystring: Record<string, string | undefined>;
}
type ResponseRequest = FastifyRequest<ResponseRoute>;

export interface ResponsesOptions {
  readonly intake: Intake;
  readonly dispatcher: Dispatcher;
  readonly history: ResponseHistory;
  readonly runIntake: RunIntake;
  readonly finder: RunFinder;
  readonly canceller: RunCanceller;
  readonly waiters: RunWaiters;
  readonly runLog: RunLog;
  readonly logStreams: LogStreams;
  readonly pollHints: PollHints;
  readonly keeper: AnswerKeeper;
  /** How long the client of a call without a stream is held, ms. */
  readonly holdMs: number;
  readonly clock: Clock;
}

/** A request for a response, as far as it is the same in the foreground and as a stored run. */
interface ReadResponse {
  readonly asked: ResponsesRequest;
  readonly chat: InferenceRequest;
  readonly preferences: Preferences;
  readonly detail: ResponseDetail;
}

export class ResponsesApi implements Api {
  readonly #o: ResponsesOptions;

  constructor(options: ResponsesOptions) {
    this.#o = options;
  }

  addTo(app: FastifyInstance, { admit: onRequest }: Guards): void {
    const path = '/v1/responses';
    app.post(path, { onRequest }, (request, reply) => this.create(request, reply));
    // Not served; without a route of their own they would be taken for ids, and answered with 405.
    for (const name of ['compact', 'input_tokens'])
      app.post(`${path}/${name}`, { onRequest }, () => {
        throw new DispatchError('not_found', { message: `POST ${path}/${name} is not served here.` });
      });
    app.get<ResponseRoute>(`${path}/:id`, { onRequest }, (request, reply) => this.#show(request, reply));
    app.delete<ResponseRoute>(`${path}/:id`, { onRequest }, async (request, reply) =>
      answer(reply, request, await this.#remove(request)),
    );
    app.post<ResponseRoute>(`${path}/:id/cancel`, { onRequest }, async (request, reply) =>
      answer(reply, request, await this.#cancel(request)),
    );
    app.get<ResponseRoute>(`${path}/:id/input_items`, { onRequest }, async (request, reply) =>
      answer(reply, request, await this.#inputItems(request)),
    );
  }

  async create(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const acceptedAt = this.#o.clock.now();
    if (!Buffer.isBuffer(request.body)) throw new DispatchError('unsupported_media_type');
    const parsed = parseJson(request.body);
    const exact = exactJson(request.body, parsed);
    const given = readResponsesRequest(parsed, exact);
    const history = await this.#o.history.read(given.previousId, request.tenant);
    const asked = { ...given, input: await this.#o.history.resolve(given.input, request.tenant) };
    if (asked.omittedTools.length > 0) void reply.header(...omittedHeader(asked.omittedTools));
    // A response that is not stored begins no chain.
    const chain = history.root ?? (asked.store ? chainKeyOf(sessionHeader(request), request.id) : null);
    const preferences = readPreferences(request.headers['prefer']);
    const { isBackground, isRun } = modeOf(asked, preferences, request);
    const chat = this.#toChat(asked, history, isRun, acceptedAt);
    const tier = decideTier(asked.tier, !isBackground);
    const kept = detailOf(asked, chain);
    const params = { ...kept.params, service_tier: tier.used, model: chat.model.name };
    const detail = { ...kept, params, background: isBackground };
    const read = { asked, chat, preferences, detail };
    if (!isRun) return this.#dispatch(read, request, reply);
    const about = { kind: 'response', detail: JSON.stringify(detail), log: 'deltas' } as const;
    return this.#run(read, { ...about, lane: tier.lane }, request, reply);
  }

  /** The chat completion that the engine is asked for. */
  #toChat(
    asked: ResponsesRequest,
    { earlier }: History,
    isLogged: boolean,
    acceptedAt: number,
  ): InferenceRequest {
    const made = { ...asked.chatOf([...earlier, ...asked.input]), ...(isLogged ? STREAMED : {}) };
    const body = Buffer.from(JSON.stringify(made));
    this.#o.history.assertFits(body.length);
    // Where a long number is opaque in it, the bytes are read again.
    const chat = asked.isPlain ? made : parseJson(body);
    return this.#o.intake.understand('chat', body, chat, acceptedAt);
  }

  /** In the foreground, with a client that waits. */
  #dispatch(
    { asked, chat, preferences, detail }: ReadResponse,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const read = { ...chat, summary: { ...chat.summary, tier: asked.tier } };
    const base = baseOf(request.id, chat.acceptedAt, detail);
    const keep = this.#keeping(asked.store, chat, request, detail);
    return this.#o.dispatcher.dispatch('chat', read, request, reply, {
      // A response that may not be stored cannot be fetched later: its client is held as long as any other, then refused.
      preferences: preferences.respondAsync ? NO_PREFERENCES : preferences,
      chain: detail.chain,
      reshape: sink => new ResponseReply(sink, base, keep),
      conversion: asked.store ? this.#conversion(chat, request, detail) : 'refuse',
    });
  }

  /** Stores the delivered answer as if a worker had stored it. */
  #keeping(isStored: boolean, chat: InferenceRequest, request: FastifyRequest, detail: ResponseDetail) {
    if (!isStored) return async () => {};
    const { keeper } = this.#o;
    const call = shownCallOf(chat, request, JSON.stringify(detail));
    const kept = { ...call, kind: 'response', log: 'deltas' } as const;
    return (completion: ChatChunk, ops: readonly LogOp[], isCut: boolean) => {
      const status = isCut ? 'incomplete' : 'completed';
      return keeper.keep({ ...kept, status, completion, logged: encodeOps(ops) });
    };
  }

  /** A foreground response whose client waited too long goes on as one in the background. */
  #conversion(chat: InferenceRequest, request: FastifyRequest, detail: ResponseDetail): ConversionPlan {
    const { runIntake, pollHints } = this.#o;
    const background = JSON.stringify({ ...detail, background: true });
    const about = { kind: 'response', detail: background, log: 'deltas', lane: 'interactive' } as const;
    return {
      run: runIntake.newRun('chat', chat, runCallOf(request), about),
      location: locationOf(request.id),
      describe: run => ({ body: responseObject(run, []), headers: pollHints.headers(run) }),
    };
  }

  /** As a stored run: in the background, or because its key may be used again. */
  async #run(
    { asked, chat, preferences }: ReadResponse,
    about: RunAbout,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<unknown> {
    const run = await this.#o.runIntake.accept('chat', chat, runCallOf(request), about);
    letGoOfBody(request);
    const call = { stream: asked.stream, acceptedAt: chat.acceptedAt, preferences };
    // In a method of its own: this one would keep the prompt while the client waits.
    return this.#accepted(run, call, request, reply);
  }

  async #accepted(
    accepted: StoredRun,
    { stream, acceptedAt, preferences }: { stream: boolean; acceptedAt: number; preferences: Preferences },
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<unknown> {
    const { finder, waiters, holdMs, pollHints } = this.#o;
    let run = accepted;
    const isSentAway = preferences.respondAsync;
    const isFollowed = stream && !isSentAway;
    const usualMs = isFollowed || detailIn(run).background ? 0 : holdMs;
    const { heldMs, headers } = holding(preferences, usualMs);
    reply.headers(headers);
    if (isFollowed) return this.#follow(run, -1, request, reply);
    if (heldMs > 0) await waiters.untilDone(run.id, heldMs);
    if (heldMs > 0) run = await finder.look(publicId(run), run.tenant, run.kind);
    const isOpen = !isFinalStatus(run.status);
    if (stream && !isOpen && heldMs > 0) return this.#follow(run, -1, request, reply);
    reply.headers({ ...baseHeaders(request, acceptedAt), ...(isOpen ? pollHints.headers(run) : {}) });
    if (isOpen && (isSentAway || heldMs > 0)) void reply.code(202).header('location', locationOf(run.id));
    return reply.send(await this.#object(run));
  }

  async #object(run: StoredRun): Promise<object> {
    const isPartial = run.logLength > 0 && run.result?.status !== 200;
    return responseObject(run, isPartial ? await this.#o.runLog.peek(run.id, 0, MAX_PARTIAL) : []);
  }

  async #show(request: ResponseRequest, reply: FastifyReply): Promise<unknown> {
    const run = await this.#find(request);
    const { stream = 'false' } = request.query;
    const after = startingAfter(request.query['starting_after']);
    if (stream !== 'true' && stream !== 'false')
      throw new DispatchError('invalid_request', { message: 'Use true or false.', param: 'stream' });
    if (stream === 'true') return this.#follow(run, after, request, reply);
    if (!isFinalStatus(run.status)) reply.headers(this.#o.pollHints.headers(run));
    return answer(reply, request, await this.#object(run));
  }

  async #cancel(request: ResponseRequest): Promise<object> {
    const run = await this.#find(request);
    // One in the foreground can be found while it runs only where a key keeps it going: it may be stopped too.
    if (!detailIn(run).background && isFinalStatus(run.status) && run.status !== 'cancelled')
      throw new DispatchError('invalid_request', { message: 'Cannot cancel a synchronous response.' });
    await this.#o.canceller.cancel(run);
    return this.#object(await this.#find(request));
  }

  async #remove(request: ResponseRequest): Promise<object> {
    const run = await this.#find(request);
    await this.#o.canceller.remove(run);
    return { id: publicId(run), object: 'response', deleted: true };
  }

  async #inputItems(request: ResponseRequest): Promise<object> {
    const run = await this.#find(request);
    const paging = readPaging(request.query, 20, 100);
    const items = toInputItems(detailIn(run).input, `item_${run.id}`);
    return pageOf(items.reverse(), paging, item => item);
  }

  #find(request: ResponseRequest): Promise<StoredRun> {
    return this.#o.finder.look(request.params.id, request.tenant, 'response');
  }

  /** Sends the events after a number, and goes on until the response is final or the reader gone. */
  async #follow(run: StoredRun, after: number, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const events = new ResponseEvents(run, after);
    await this.#o.logStreams.send(run, request, reply, {
      start: events.start(),
      // Deleted meanwhile: a clean end would look like a whole answer.
      tell: news => (news.kind === 'final' && news.run === null ? null : events.tell(news)),
    });
  }
}

/** `respond-async` asks for the background where the answer may be stored at all; otherwise it is not applied. */
function modeOf(asked: ResponsesRequest, preferences: Preferences, request: FastifyRequest) {
  const isBackground = asked.background || (preferences.respondAsync && asked.store);
  if (isKeyed(request) && !asked.store)
    throw new DispatchError('invalid_request', {
      message: 'Idempotency-Key can only be used when `store` is true.',
      param: 'Idempotency-Key',
    });
  return { isBackground, isRun: isBackground || isKeyed(request) };
}

/** Tells which tools the model was not offered, and why a client would never see them called. */
function omittedHeader(types: readonly string[]): [string, string] {
  const known = types.filter(type => /^[\w.-]{1,64}$/.test(type)).slice(0, 20);
  return ['x-penstock-omitted-tools', known.join(', ') || 'unknown'];
}

/** URL path of the response. */
function locationOf(id: string): string {
  return `/v1/responses/${publicId({ kind: 'response', id })}`;
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
