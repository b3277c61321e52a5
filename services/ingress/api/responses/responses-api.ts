/**
 * OpenAI's Responses API. A foreground response is a chat completion that is translated on its way out and kept when it is
 * whole; a background response is a stored run whose log grows while it runs. Response objects and events are derived from what
 * is stored whenever somebody asks, so every node tells the same.
 */
import { decideTier } from '@penstock/policy';
import {
  type ConversationRecord,
  DispatchError,
  encodeOps,
  isFinalStatus,
  publicId,
  type ResponsesRequest,
  type StoredRun,
} from '@penstock/protocol';
import type { AnswerKeeper, RunCanceller, RunWaiters } from '@penstock/runs';
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
import type { InferenceRequest } from '../../intake/understand.ts';
import { chainKeyOf, sessionHeader } from '../../placement/session-key.ts';
import { type Keep, ResponseReply } from '../../replies/response-reply.ts';
import type { PollHints } from '../../runs/poll-hints.ts';
import {
  baseOf,
  conversationItems,
  detailHeadIn,
  detailOf,
  inBackground,
  inputOf,
  type ResponseDetail,
  ResponseEvents,
  responseObject,
} from '../../runs/response-view.ts';
import { runCallOf } from '../../runs/run-call.ts';
import type { RunAbout, RunIntake } from '../../runs/run-intake.ts';
import { shownCallOf } from '../../runs/shown-call.ts';
import type { StoredReads } from '../../runs/stored-reads.ts';
import type { LogStreams } from '../../runs/stream-log.ts';
import type { Conversations } from './conversations.ts';
import type { ResponseIntake } from './response-intake.ts';

/** Log entries read for the partial answer of a response that did not end well. */
const MAX_PARTIAL = 100_000;

interface ResponseRoute {
  Params: { id: string };
  Querystring: Record<string, string | undefined>;
}
type ResponseRequest = FastifyRequest<ResponseRoute>;

export interface ResponsesOptions {
  readonly responseIntake: ResponseIntake;
  readonly conversations: Conversations;
  readonly dispatcher: Dispatcher;
  readonly runIntake: RunIntake;
  readonly reads: StoredReads;
  readonly canceller: RunCanceller;
  readonly waiters: RunWaiters;
  readonly runLog: RunLog;
  readonly logStreams: LogStreams;
  readonly pollHints: PollHints;
  readonly keeper: AnswerKeeper;
  readonly clock: Pick<Clock, 'now'>;
  /** How long the client of a call without a stream is held, ms. */
  readonly holdMs: number;
}

/** A request for a response, as far as it is the same in the foreground and as a stored run. */
interface ReadResponse {
  readonly asked: ResponsesRequest;
  readonly chat: InferenceRequest;
  readonly preferences: Preferences;
  /** With markers in place of large media. */
  readonly detail: ResponseDetail;
  /** The same as it is stored; empty where it is not. */
  readonly record: string;
  readonly conversation: ConversationRecord | null;
}

export class ResponsesApi implements Api {
  readonly #o: ResponsesOptions;

  constructor(options: ResponsesOptions) {
    this.#o = options;
  }

  addTo(app: FastifyInstance, { admit: onRequest }: Guards): void {
    const path = '/v1/responses';
    app.post(path, { onRequest }, (request, reply) => this.create(request, reply));
    app.get<ResponseRoute>(`${path}/:id`, { onRequest }, (request, reply) => this.#show(request, reply));
    app.delete<ResponseRoute>(`${path}/:id`, { onRequest }, async (request, reply) =>
      answer(reply, request, await this.#remove(request, reply)),
    );
    app.post<ResponseRoute>(`${path}/:id/cancel`, { onRequest }, async (request, reply) =>
      answer(reply, request, await this.#cancel(request, reply)),
    );
    app.get<ResponseRoute>(`${path}/:id/input_items`, { onRequest }, async (request, reply) =>
      answer(reply, request, await this.#inputItems(request, reply)),
    );
  }

  async create(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const given = await this.#o.responseIntake.read(request);
    const { asked, before, conversation } = given;
    if (asked.omittedTools.length > 0) void reply.header(...omittedHeader(asked.omittedTools));
    // A response that is not stored begins no chain.
    const chain = before.root ?? (asked.store ? chainKeyOf(sessionHeader(request), request.id) : null);
    const preferences = readPreferences(request.headers['prefer']);
    const { isBackground, isRun } = modeOf(asked, preferences, request);
    const chat = this.#o.responseIntake.toChat(given, isRun);
    const tier = decideTier(asked.tier, !isBackground);
    const kept = detailOf(asked, chain, isBackground);
    const params = { ...kept.params, service_tier: tier.used, model: chat.model.name };
    const detail = { ...kept, params };
    const isKept = isRun || asked.store || conversation !== null;
    const record = isKept ? given.media.restoreText(JSON.stringify(detail)) : '';
    const read = { asked, chat, preferences, detail, record, conversation };
    if (!isRun) return this.#dispatch(read, request, reply);
    const about = { kind: 'response', detail: record, log: 'deltas' } as const;
    return this.#run(read, { ...about, lane: tier.lane }, request, reply);
  }

  /** In the foreground, with a client that waits. */
  #dispatch(made: ReadResponse, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { asked, chat, preferences, detail } = made;
    const read = { ...chat, summary: { ...chat.summary, tier: asked.tier } };
    const base = baseOf(request.id, chat.acceptedAt, detail);
    const keep = this.#keeping(made, request);
    return this.#o.dispatcher.dispatch('chat', read, request, reply, {
      // A response that may not be stored cannot be fetched later: its client is held as long as any other, then refused.
      preferences: preferences.respondAsync ? NO_PREFERENCES : preferences,
      chain: detail.chain,
      isShownLater: asked.store,
      reshape: sink => new ResponseReply(sink, base, keep, () => this.#o.clock.now()),
      conversion: asked.store ? this.#conversion(made, request) : 'refuse',
    });
  }

  /** Stores the delivered answer as if a worker had stored it, and in its conversation. */
  #keeping({ asked, chat, record, conversation }: ReadResponse, request: FastifyRequest): Keep {
    const { keeper, conversations } = this.#o;
    const call = shownCallOf(chat, request, record);
    const kept = { ...call, kind: 'response', log: 'deltas' } as const;
    const keep: Keep = async (completion, ops, isCut) => {
      const status = isCut ? 'incomplete' : 'completed';
      await keeper.keep({ ...kept, status, completion, logged: encodeOps(ops) });
    };
    const keepOrNot: Keep = asked.store ? keep : async () => {};
    if (conversation === null) return keepOrNot;
    return async (completion, ops, isCut) => {
      const items = conversationItems(call, completion);
      // As with the record, a failure costs what is kept, not the answer.
      await Promise.all([
        keepOrNot(completion, ops, isCut),
        conversations.add(conversation, items).catch(() => {}),
      ]);
    };
  }

  /** A foreground response whose client waited too long goes on as one in the background. */
  #conversion({ chat, record, conversation }: ReadResponse, request: FastifyRequest): ConversionPlan {
    const { runIntake, pollHints } = this.#o;
    const detail = inBackground(record);
    const about = { kind: 'response', detail, log: 'deltas', lane: 'interactive' } as const;
    return {
      run: runIntake.newRun('chat', chat, runCallOf(request), about),
      location: locationOf(request.id),
      describe: run => {
        void this.#noteRun(conversation, run.id);
        return { body: responseObject(run, []), headers: pollHints.headers(run) };
      },
    };
  }

  /** Never rejects: the run is stored, and goes on. */
  async #noteRun(conversation: ConversationRecord | null, id: string): Promise<void> {
    if (conversation !== null) await this.#o.conversations.addRun(conversation, id).catch(() => {});
  }

  /** As a stored run: in the background, or because its key may be used again. */
  async #run(
    { asked, chat, preferences, conversation }: ReadResponse,
    about: RunAbout,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<unknown> {
    const told = (headers: Readonly<Record<string, string>>) => reply.headers(headers);
    const run = await this.#o.runIntake.accept('chat', chat, runCallOf(request), about, told);
    letGoOfBody(request);
    if (run.id === request.id) await this.#noteRun(conversation, run.id);
    const call = { stream: asked.stream, preferences };
    // In a method of its own: this one would keep the prompt while the client waits.
    return this.#accepted(run, call, request, reply);
  }

  async #accepted(
    accepted: StoredRun,
    { stream, preferences }: { stream: boolean; preferences: Preferences },
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<unknown> {
    const { reads, waiters, holdMs, pollHints } = this.#o;
    let run = accepted;
    const isSentAway = preferences.respondAsync;
    const isFollowed = stream && !isSentAway;
    const usualMs = isFollowed || detailHeadIn(run).background ? 0 : holdMs;
    const { heldMs, headers } = holding(preferences, usualMs);
    reply.headers(headers);
    if (isFollowed) return this.#follow(run, -1, request, reply);
    if (heldMs > 0) await waiters.untilDone(run.id, heldMs);
    if (heldMs > 0) run = await reads.look(publicId(run), run.kind, request, reply);
    const isOpen = !isFinalStatus(run.status);
    if (stream && !isOpen && heldMs > 0) return this.#follow(run, -1, request, reply);
    reply.headers({ ...baseHeaders(request, reply.elapsedTime), ...(isOpen ? pollHints.headers(run) : {}) });
    if (isOpen && (isSentAway || heldMs > 0)) void reply.code(202).header('location', locationOf(run.id));
    return reply.send(await this.#object(run));
  }

  async #object(run: StoredRun): Promise<object> {
    const isPartial = run.logLength > 0 && run.result?.status !== 200;
    return responseObject(run, isPartial ? await this.#o.runLog.peek(run.id, 0, MAX_PARTIAL) : []);
  }

  async #show(request: ResponseRequest, reply: FastifyReply): Promise<unknown> {
    const run = await this.#find(request, reply);
    const { stream = 'false' } = request.query;
    const after = startingAfter(request.query['starting_after']);
    if (stream !== 'true' && stream !== 'false')
      throw new DispatchError('invalid_request', {
        message: '`stream` must be true or false.',
        param: 'stream',
      });
    if (stream === 'true') return this.#follow(run, after, request, reply);
    if (!isFinalStatus(run.status)) reply.headers(this.#o.pollHints.headers(run));
    return answer(reply, request, await this.#object(run));
  }

  async #cancel(request: ResponseRequest, reply: FastifyReply): Promise<object> {
    const run = await this.#find(request, reply);
    // One in the foreground can be found while it runs only where a key keeps it going: it may be stopped too.
    if (!detailHeadIn(run).background && isFinalStatus(run.status) && run.status !== 'cancelled')
      throw new DispatchError('invalid_request', {
        message:
          'Cannot cancel a synchronous response. Only those created with `background` can be cancelled.',
      });
    await this.#o.canceller.cancel(run);
    return this.#object(await this.#find(request, reply));
  }

  async #remove(request: ResponseRequest, reply: FastifyReply): Promise<object> {
    const run = await this.#find(request, reply);
    await this.#o.canceller.remove(run);
    return { id: publicId(run), object: 'response', deleted: true };
  }

  async #inputItems(request: ResponseRequest, reply: FastifyReply): Promise<object> {
    const run = await this.#find(request, reply);
    const paging = readPaging(request.query, 20, 100);
    return pageOf(inputOf(run).reverse(), paging, item => item);
  }

  #find(request: ResponseRequest, reply: FastifyReply): Promise<StoredRun> {
    return this.#o.reads.look(request.params.id, 'response', request, reply);
  }

  /** Sends the events after a number, and goes on until the response is final or the reader gone. */
  async #follow(run: StoredRun, after: number, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const events = new ResponseEvents(run, after);
    await this.#o.logStreams.send(run, request, reply, {
      start: events.start(),
      // Deleted meanwhile: a clean end would look like a whole answer.
      render: news => (news.kind === 'final' && news.run === null ? null : events.render(news)),
    });
  }
}

/** `respond-async` asks for the background where the answer may be stored at all; otherwise it is not applied. */
function modeOf(asked: ResponsesRequest, preferences: Preferences, request: FastifyRequest) {
  const isBackground = asked.background || (preferences.respondAsync && asked.store);
  if (isKeyed(request) && !asked.store)
    throw new DispatchError('invalid_request', {
      message: 'Idempotency-Key can only be used when `store` is true. Set it, or leave the key out.',
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
      message: '`starting_after` must be the sequence number of an event: a whole number of up to 9 digits.',
      param: 'starting_after',
    });
  return Number(text);
}
