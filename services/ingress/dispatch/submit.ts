/** From an authenticated HTTP request to a message on the queue. */
import type { ServerResponse } from 'node:http';
import type { Fleet } from '@penstock/fleet';
import {
  decideTier,
  type Placement,
  type PromptSize,
  type SizeBoundaries,
  sizeClassOf,
  timeoutOf,
} from '@penstock/policy';
import {
  DispatchError,
  doneSubject,
  type Endpoint,
  encodeEnvelope,
  estimatePromptTokens,
  type ModelInfo,
  parseJson,
  type RequestSummary,
  type SizeClass,
  stickySubject,
  validateRequest,
  type WorkMeta,
  type WorkQueueKey,
  workStream,
  workSubject,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { WorkQueue } from '@penstock/transport';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Jobs, jobDetail, jobObject, locationOf } from '../api/jobs.ts';
import { completionDetail, storing } from '../api/stored-completions.ts';
import { appliedHeader, type Preferences, readPreferences } from '../intake/preferences.ts';
import type { IngressMetrics } from '../metrics.ts';
import type { Affinity, Placed } from '../placement/affinity.ts';
import { promptText } from '../placement/prefix-chain.ts';
import { openingOf, sessionKeyOf } from '../placement/session-key.ts';
import { ChatReply } from '../replies/chat-reply.ts';
import { HttpReply } from '../replies/http-reply.ts';
import type { Lanes } from '../runs/lanes.ts';
import { pollHeaders } from '../runs/poll-headers.ts';
import { isKeyed, newRun, type Runs } from '../runs/runs.ts';
import { createHeld, type HoldAbout } from './hold.ts';
import type { Bound, ReplySink } from './open-request.ts';
import type { OpenRequests } from './open-requests.ts';

/** The broker drops queued work this long after the client's deadline. Only a backstop: workers check the deadline. */
const TTL_SLACK_MS = 60_000;
/** Longest `x-session-affinity` that is looked at. */
const MAX_SESSION = 512;

export interface SubmitDeps {
  readonly queue: WorkQueue;
  readonly fleet: Fleet;
  readonly open: OpenRequests;
  readonly affinity: Affinity;
  readonly runs: Runs;
  readonly lanes: Lanes;
  readonly jobs: Jobs;
  /** How long the client of a call without a stream is held, ms. */
  readonly holdMs: number;
  readonly clock: Clock;
  readonly metrics: IngressMetrics;
  readonly region: string;
  readonly boundaries: SizeBoundaries;
  readonly ingressId: string;
  readonly keepAliveMs: number;
  readonly nextId: () => string;
}

/** A request that has been understood. */
export interface ReadRequest {
  /** Unix ms. */
  readonly acceptedAt: number;
  readonly body: Buffer;
  readonly parsed: unknown;
  readonly summary: RequestSummary;
  readonly model: ModelInfo;
  readonly promptTokens: number;
  readonly size: PromptSize;
}

/** @throws DispatchError that says what is wrong with it. */
function readRequest(deps: SubmitDeps, endpoint: Endpoint, request: FastifyRequest): ReadRequest {
  const acceptedAt = deps.clock.now();
  const { body } = request;
  if (!Buffer.isBuffer(body)) throw new DispatchError('unsupported_media_type');
  return understand(deps, endpoint, body, parseJson(body), acceptedAt);
}

/** @throws DispatchError where the body is not one for the endpoint, or its model is not known. */
export function understand(
  deps: SubmitDeps,
  endpoint: Endpoint,
  body: Buffer,
  parsed: unknown,
  acceptedAt: number,
): ReadRequest {
  const summary = validateRequest(endpoint, parsed);
  const model = deps.fleet.model(summary.model);
  if (model === undefined) throw new DispatchError('model_not_found', { param: 'model' });
  const promptTokens = estimatePromptTokens(summary.promptBytes);
  return {
    acceptedAt,
    body,
    parsed,
    summary,
    model,
    promptTokens,
    size: sizeClassOf(promptTokens, deps.boundaries),
  };
}

/** Validates, decides where to, opens the reply and publishes. Resolves when the work is queued; the answer comes by the reply bus. */
export async function submit(
  deps: SubmitDeps,
  endpoint: Endpoint,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const read = readRequest(deps, endpoint, request);
  const preferences = readPreferences(request.headers['prefer']);
  if (preferences.respondAsync || isKeyed(request))
    return deps.jobs.accept(deps, endpoint, read, request, reply, preferences);
  return dispatch(deps, endpoint, read, request, reply, {
    preferences,
    dress: dressChat(deps, endpoint, read, request),
    // A stream is never held: what it would become need not be worked out.
    hold: read.summary.stream ? 'refuse' : jobHold(deps, endpoint, read, request),
  });
}

export interface DispatchOptions {
  readonly preferences: Preferences;
  /** Puts something between the answer and the client, for a shape that is not the engine's. */
  readonly dress?: ((sink: ReplySink) => ReplySink) | null;
  /** What the chain of responses it belongs to is known by. */
  readonly chain?: string | null;
  /** What a call without a stream becomes when its client has waited too long. */
  readonly hold: HoldAbout | 'refuse';
}

/** Sends a request that was understood on its way. */
export async function dispatch(
  deps: SubmitDeps,
  endpoint: Endpoint,
  read: ReadRequest,
  request: FastifyRequest,
  reply: FastifyReply,
  options: DispatchOptions,
): Promise<void> {
  const { acceptedAt, body, summary, model, promptTokens } = read;
  const { waitMs } = options.preferences;
  const timeoutMs = timeoutOf(timeoutHints(request));
  const deadlineAt = acceptedAt + (waitMs > 0 ? Math.min(waitMs, timeoutMs) : timeoutMs);
  const { lane } = decideTier(summary.tier, true);
  const looked = lane === 'interactive' ? place(deps, endpoint, read, request, options) : NOWHERE;
  // Most requests need no look-up: they go out in the same turn of the event loop.
  const { placement, trail, held } = looked instanceof Promise ? await looked : looked;
  // What fails before this is the framework's to tell.
  reply.hijack();
  const raw = reply.raw;
  const http = openReply(deps, endpoint, read, request, raw, appliedHeader(options.preferences));
  const sink = options.dress?.(http) ?? http;
  deps.metrics.placements.inc({ reason: placement.reason });
  const size: SizeClass = lane === 'interactive' ? read.size : 'any';
  const shard =
    placement.kind === 'sticky'
      ? deps.fleet.shardOfWorker(placement.worker)
      : deps.fleet.shardFor(model.slug);
  const key = { region: deps.region, shard, slug: model.slug, lane, size } as const;
  const meta = {
    ...summaryMeta(deps, request.id, endpoint, summary, model.slug),
    lane,
    size,
    ...{ promptTokens, acceptedAt, deadlineAt, held },
  };
  const work = { key, meta, body, placement };
  // The framework keeps the request as long as the connection is busy; the prompt need not stay with it.
  request.body = undefined;
  cancelOnClose(deps.open, raw, meta.id);
  deps.open.add({
    ...{ id: meta.id, slug: model.slug, shard, trail, endpoint, deadlineAt, sink },
    ...destination(deps, work),
    stream: workStream(deps.region, shard),
    continuable: summary.continuable,
    streamed: summary.stream,
    hold: summary.stream ? null : holdOf(deps, options.hold, http),
  });
  await send(deps, work, sink, raw);
}

function openReply(
  deps: SubmitDeps,
  endpoint: Endpoint,
  read: ReadRequest,
  request: FastifyRequest,
  raw: ServerResponse,
  headers: Record<string, string>,
): HttpReply {
  return new HttpReply({
    ...{ raw, headers, requestId: request.id, streamed: read.summary.stream },
    ...{ keepAliveMs: deps.keepAliveMs, acceptedAt: read.acceptedAt },
    onFinish: status => deps.metrics.requests.inc({ endpoint, status: String(status) }),
  });
}

/** Work of a lower lane goes to whoever has room. */
const NOWHERE: Placed = { placement: { kind: 'shared', reason: 'no_match' }, trail: null, held: {} };

function place(
  deps: SubmitDeps,
  endpoint: Endpoint,
  { summary, parsed, model, promptTokens }: ReadRequest,
  request: FastifyRequest,
  { chain = null }: DispatchOptions,
) {
  return deps.affinity.place({
    slug: model.slug,
    tenant: request.tenant,
    cacheKey: summary.cacheKey,
    sessionKey: () =>
      sessionKeyOf({ ...summary, chain, header: sessionHeader(request) }, () => openingOf(endpoint, parsed)),
    promptTokens,
    text: () => promptText(endpoint, parsed),
  });
}

/** Functions of their own: closures made inside `dispatch` would keep the parsed prompt alive. */
function holdOf(deps: SubmitDeps, hold: HoldAbout | 'refuse', http: HttpReply) {
  if (hold === 'refuse') return hold;
  return createHeld(deps.runs, hold, http, deps.clock.now, id =>
    deps.queue.send(doneSubject(deps.region), Buffer.from(id)),
  );
}

function jobHold(
  deps: SubmitDeps,
  endpoint: Endpoint,
  read: ReadRequest,
  request: FastifyRequest,
): HoldAbout {
  const about = { log: 'none', lane: 'interactive' } as const;
  const { store, tier } = read.summary;
  const { used } = decideTier(tier, true);
  const kept =
    endpoint === 'chat' && store
      ? { kind: 'completion' as const, detail: completionDetail(read.parsed, used) }
      : { kind: 'job' as const, detail: jobDetail(endpoint, tier, used) };
  const run = newRun(deps, endpoint, read, request, { ...about, ...kept });
  return {
    run,
    location: locationOf(run),
    describe: stored => ({
      body: jobObject(stored),
      headers: { 'x-penstock-job': run.id, ...pollHeaders(deps, stored) },
    }),
  };
}

/** Only a chat completion that is stored, or names its tier, differs from what the engine says. */
function dressChat(deps: SubmitDeps, endpoint: Endpoint, read: ReadRequest, request: FastifyRequest) {
  const { store, tier } = read.summary;
  if (endpoint !== 'chat' || (!store && tier === null)) return null;
  const { used } = decideTier(tier, true);
  const stored = store ? storing(deps, read, request, used) : null;
  return (sink: ReplySink) => new ChatReply(sink, { tier: used, stored });
}

/**
 * `request.signal` fires on every POST with a body; a client that left shows as a close before the end. A function of its
 * own: a closure made inside `submit` would keep the parsed prompt alive for as long as the stream lasts.
 */
function cancelOnClose(open: OpenRequests, raw: ServerResponse, id: string): void {
  raw.on('close', () => {
    if (!raw.writableFinished) open.left(id);
  });
}

/** What is the same wherever the request goes. */
export function summaryMeta(
  deps: SubmitDeps,
  id: string,
  endpoint: Endpoint,
  summary: RequestSummary,
  slug: string,
) {
  return {
    v: 1 as const,
    id,
    from: deps.ingressId,
    endpoint,
    model: summary.model,
    slug,
    stream: summary.stream,
    maxTokens: summary.maxTokens,
    attemptBase: 0,
    ask: false,
    stored: false,
    fleetRate: deps.fleet.fleetRate(slug),
  };
}

interface Work {
  readonly key: WorkQueueKey;
  readonly meta: WorkMeta;
  readonly body: Buffer;
  readonly placement: Placement;
}

/** The first subject of a request, and how it gets from there to the shared one. */
function destination(deps: SubmitDeps, work: Work): { subject: string; bound: Bound | null } {
  const { key, meta, placement } = work;
  const sharedSubject = workSubject(key, meta.id);
  if (placement.kind === 'shared') return { subject: sharedSubject, bound: null };
  const republish = (subject: string, attemptBase: number, ask: boolean) =>
    publish(deps, subject, { ...work, meta: { ...meta, attemptBase, ask } });
  const { worker } = placement;
  return { subject: stickySubject(key, worker, meta.id), bound: { worker, sharedSubject, republish } };
}

async function send(deps: SubmitDeps, work: Work, sink: ReplySink, raw: ServerResponse): Promise<void> {
  const { meta, placement } = work;
  try {
    if (placement.kind === 'sticky')
      deps.fleet.expectAt(placement.worker, meta.promptTokens - placement.matchedTokens);
    await publish(deps, destination(deps, work).subject, work);
    if (raw.destroyed) deps.open.cancel(meta.id);
    else deps.open.published(meta.id);
  } catch (err) {
    deps.open.cancel(meta.id);
    sink.error(
      err instanceof DispatchError ? err : new DispatchError('internal_error', { cause: err }),
      null,
    );
  }
}

/** The broker forgets a message id for each subject a request is moved to: the attempt base makes them differ. */
function publish(deps: SubmitDeps, subject: string, work: Work): Promise<void> {
  const { meta, body } = work;
  const messageId = meta.attemptBase === 0 ? meta.id : `${meta.id}-${meta.attemptBase}`;
  const ttlMs = meta.deadlineAt - deps.clock.now() + TTL_SLACK_MS;
  return deps.queue.publish(subject, encodeEnvelope(meta, body), { messageId, ttlMs });
}

export function sessionHeader(request: FastifyRequest): string | null {
  const session = request.headers['x-session-affinity'];
  return typeof session === 'string' && session.length <= MAX_SESSION ? session : null;
}

function timeoutHints(request: FastifyRequest) {
  const text = (name: string) => {
    const value = request.headers[name];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    requestTimeoutMs: text('x-request-timeout-ms'),
    stainlessTimeout: text('x-stainless-timeout'),
    stainlessReadTimeout: text('x-stainless-read-timeout'),
  };
}
