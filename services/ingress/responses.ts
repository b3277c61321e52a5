/**
 * OpenAI's Responses API. A foreground response is a chat completion that is translated on its way out and kept when it is
 * whole; a background response is a stored run. Kept either way is the chat completion: the response object, and every
 * event with its number, is told from it anew whenever somebody asks, so any node tells the same.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ChatChunk,
  type ChatMessage,
  DispatchError,
  type InputItem,
  messagesOf,
  parseJson,
  type ResponseBase,
  type ResponseStatus,
  ResponseStream,
  type ResponsesRequest,
  readResponsesRequest,
  type StoredRun,
} from '@penstock/protocol';
import type { RunStore } from '@penstock/transport';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { baseHeaders } from './http-reply.ts';
import { isFinal, type Jobs, pollHeaders } from './jobs.ts';
import { ResponseReply } from './response-reply.ts';
import { dispatch, type ReadRequest, type SubmitDeps, understand } from './submit.ts';

const KEPT_MS = 24 * 3600 * 1000;
/** Responses a chain of `previous_response_id` may have. */
const MAX_CHAIN = 200;
/** A follower reads the record at least this often, ms; mostly it is told. */
const FOLLOW_MS = 1000;

export interface ResponseRoute {
  Params: { id: string };
  Querystring: Record<string, string | undefined>;
}
type Route = FastifyRequest<ResponseRoute>;

/** Kept with the run. */
interface Detail {
  readonly input: readonly InputItem[];
  readonly previousId: string | null;
  readonly background: boolean;
  readonly params: Record<string, unknown>;
}

export class Responses {
  readonly #runs: RunStore;
  readonly #jobs: Jobs;

  constructor(runs: RunStore, jobs: Jobs) {
    this.#runs = runs;
    this.#jobs = jobs;
  }

  async create(deps: SubmitDeps, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const acceptedAt = deps.clock.now();
    if (!Buffer.isBuffer(request.body)) throw new DispatchError('unsupported_media_type');
    const asked = readResponsesRequest(parseJson(request.body));
    const earlier = await this.#history(asked.previousId, request.tenant);
    const [first, ...rest] = asked.chat.messages;
    // Instructions are of this response only; they come before everything that was said.
    const instructed = asked.params['instructions'] !== null && first !== undefined;
    const messages = instructed ? [first, ...earlier, ...rest] : [...earlier, ...asked.chat.messages];
    const chat = { ...asked.chat, messages };
    const read = understand(deps, 'chat', Buffer.from(JSON.stringify(chat)), chat, acceptedAt);
    if (asked.background) return this.#createBackground(deps, asked, read, request, reply);
    const base = baseOf(request.id, acceptedAt, asked);
    const keep = (completion: ChatChunk) => {
      if (asked.store) void this.#keep(deps, asked, read, request, completion);
    };
    return dispatch(deps, 'chat', read, request, reply, sink => new ResponseReply(sink, base, keep));
  }

  async #createBackground(
    deps: SubmitDeps,
    asked: ResponsesRequest,
    read: ReadRequest,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<unknown> {
    const about = { kind: 'response', detail: JSON.stringify(detailOf(asked)) } as const;
    const { id } = await this.#jobs.store(deps, 'chat', read, request, about);
    const run = await this.#jobs.find(id, request.tenant, 'response');
    if (asked.stream) return this.#follow(deps, run, -1, request, reply);
    reply.headers({ ...baseHeaders(request.id, read.acceptedAt), ...pollHeaders(deps, run) });
    return reply.send(tellAll(run, deps.clock.now()).object);
  }

  /** What the client was shown is kept as if a worker had stored it. A failure costs the stored copy, not the answer. */
  async #keep(
    deps: SubmitDeps,
    asked: ResponsesRequest,
    read: ReadRequest,
    request: FastifyRequest,
    completion: ChatChunk,
  ): Promise<void> {
    const run = {
      id: request.id,
      kind: 'response' as const,
      detail: JSON.stringify(detailOf(asked)),
      tenant: request.tenant,
      endpoint: 'chat' as const,
      model: asked.model,
      slug: read.model.slug,
      stream: '',
      subject: '',
      createdAt: read.acceptedAt,
      deadlineAt: deps.clock.now(),
    };
    const result = {
      status: 200,
      contentType: 'application/json',
      body: Buffer.from(JSON.stringify(completion)),
      finishedAt: deps.clock.now(),
    };
    await this.#runs.keep(run, result, KEPT_MS).catch(() => {});
  }

  /** The messages of a chain of earlier responses, oldest first. */
  async #history(previousId: string | null, tenant: string): Promise<ChatMessage[]> {
    const parts: ChatMessage[][] = [];
    for (let id = previousId; id !== null; ) {
      const run = await this.#jobs.find(runIdOf(id), tenant, 'response').catch(() => null);
      if (run?.result?.status !== 200 || parts.length >= MAX_CHAIN)
        throw new DispatchError('previous_response_not_found', { param: 'previous_response_id' });
      const detail = detailIn(run);
      parts.unshift([...messagesOf(detail.input), ...answerOf(run.result.body)]);
      id = detail.previousId;
    }
    return parts.flat();
  }

  async show(deps: SubmitDeps, request: Route, reply: FastifyReply): Promise<unknown> {
    const run = await this.#find(request);
    const { stream, starting_after: after } = request.query;
    if (stream === 'true' && !detailIn(run).background)
      throw new DispatchError('invalid_request', {
        message: 'Only the stream of a background response can be resumed.',
        param: 'stream',
      });
    if (stream === 'true') return this.#follow(deps, run, startingAfter(after), request, reply);
    reply.headers(baseHeaders(request.id, deps.clock.now()));
    if (!isFinal(run)) reply.headers(pollHeaders(deps, run));
    return reply.send(tellAll(run, deps.clock.now()).object);
  }

  async cancel(deps: SubmitDeps, request: Route, reply: FastifyReply): Promise<unknown> {
    const run = await this.#find(request);
    if (!detailIn(run).background)
      throw new DispatchError('invalid_request', { message: 'Cannot cancel a synchronous response.' });
    await this.#jobs.stop(deps, run);
    const now = await this.#find(request);
    reply.headers(baseHeaders(request.id, deps.clock.now()));
    return reply.send(tellAll(now, deps.clock.now()).object);
  }

  async remove(deps: SubmitDeps, request: Route, reply: FastifyReply): Promise<unknown> {
    const run = await this.#jobs.stop(deps, await this.#find(request));
    await this.#runs.remove(run.id, null);
    reply.headers(baseHeaders(request.id, deps.clock.now()));
    return reply.send({ id: `resp_${run.id}`, object: 'response', deleted: true });
  }

  async inputItems(deps: SubmitDeps, request: Route, reply: FastifyReply): Promise<unknown> {
    const run = await this.#find(request);
    const { limit: wanted = '20', order = 'desc', after } = request.query;
    const limit = Number(wanted);
    if (!(Number.isInteger(limit) && limit >= 1 && limit <= 100))
      throw new DispatchError('invalid_request', { message: 'Use a limit from 1 to 100.', param: 'limit' });
    const all = detailIn(run).input.map((item, i) => ({
      id: `item_${run.id}_${i}`,
      type: 'message',
      ...item,
    }));
    if (order === 'desc') all.reverse();
    const from = after === undefined ? 0 : all.findIndex(item => item.id === after) + 1;
    const data = all.slice(from, from + limit);
    reply.headers(baseHeaders(request.id, deps.clock.now()));
    return reply.send({
      object: 'list',
      data,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
      has_more: from + limit < all.length,
    });
  }

  #find(request: Route): Promise<StoredRun> {
    return this.#jobs.find(runIdOf(request.params.id), request.tenant, 'response');
  }

  /** Sends the events after a number, and goes on until the response is final or the reader gone. */
  async #follow(
    deps: SubmitDeps,
    first: StoredRun,
    after: number,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const { raw } = reply;
    reply.hijack();
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
      ...baseHeaders(request.id, deps.clock.now()),
    });
    let sent = after;
    let silentSince = deps.clock.monotonic();
    for (let run: StoredRun | null = first; run !== null && !raw.destroyed; ) {
      const { events } = tellAll(run, deps.clock.now());
      const fresh = events.slice(sent + 1);
      if (fresh.length > 0) {
        raw.write(fresh.join(''));
        sent += fresh.length;
        silentSince = deps.clock.monotonic();
      }
      if (isFinal(run) || deps.clock.now() > run.deadlineAt) break;
      await this.#jobs.untilDone(run.id, FOLLOW_MS);
      // A record that is read again and again within a moment is not worth more than one look.
      await sleep(5);
      if (deps.clock.monotonic() - silentSince > deps.keepAliveMs) {
        raw.write(': waiting\n\n');
        silentSince = deps.clock.monotonic();
      }
      run = await this.#runs.read(run.id);
    }
    raw.end('data: [DONE]\n\n');
  }
}

function baseOf(id: string, createdAt: number, asked: ResponsesRequest): ResponseBase {
  const { background, params } = asked;
  return { id: `resp_${id}`, createdAt: Math.floor(createdAt / 1000), background, params };
}

function detailOf(asked: ResponsesRequest): Detail {
  const { input, previousId, background, params } = asked;
  return { input, previousId, background, params };
}

function detailIn(run: StoredRun): Detail {
  return JSON.parse(run.detail) as Detail;
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

/** The response as of now: its object, and its events, each with its number. */
function tellAll(run: StoredRun, now: number): { object: object; events: string[] } {
  const { background, params } = detailIn(run);
  const base = { id: `resp_${run.id}`, createdAt: Math.floor(run.createdAt / 1000), background, params };
  const told = new ResponseStream(base);
  let text = told.created();
  const begun = run.attempt > 0 || run.result !== null;
  if (begun) text += told.inProgress();
  const status: ResponseStatus = run.status === 'completed' ? told.finalStatus : run.status;
  if (run.result?.status === 200) {
    text += told.push(JSON.parse(run.result.body.toString('utf8')) as ChatChunk);
    const completedAt = Math.floor(run.result.finishedAt / 1000);
    text += told.end(completedAt);
    return { object: told.object(told.finalStatus, { completedAt }), events: split(text) };
  }
  const expired = !isFinal(run) && now > run.deadlineAt;
  if (run.result !== null || expired) {
    const error = expired ? 'The response was not begun in time.' : errorIn(run.result?.body);
    text += told.failed(error);
    return { object: told.object('failed', { error }), events: split(text) };
  }
  if (run.status === 'cancelled') {
    const error = { code: 'response_cancelled', message: 'The response was cancelled.', param: null };
    const sequence = split(text).length;
    text += `event: error\ndata: ${JSON.stringify({ type: 'error', sequence_number: sequence, ...error, error })}\n\n`;
  }
  return { object: told.object(status), events: split(text) };
}

function split(text: string): string[] {
  return text
    .split('\n\n')
    .filter(event => event !== '' && event !== 'data: [DONE]')
    .map(event => `${event}\n\n`);
}

/** The engine's own words, where it gave any. */
function errorIn(body: Buffer | undefined): string {
  try {
    const { error } = JSON.parse(body?.toString('utf8') ?? '') as { error?: { message?: unknown } };
    if (typeof error?.message === 'string') return error.message;
  } catch {
    // Not JSON.
  }
  return 'The engine failed to answer.';
}
