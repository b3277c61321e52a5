/**
 * Inference requests whose answers are stored: because their client comes back for them (`Prefer: respond-async`), or because
 * it names them (`Idempotency-Key`) and may ask for the same thing again. The answer is found in the shape of the endpoint that
 * was called; a stream is found as a stream, from its first event.
 */
import { decideTier } from '@penstock/policy';
import {
  DispatchError,
  ENDPOINT_PATHS,
  type Endpoint,
  isFinalStatus,
  type RunKind,
  type ServiceTier,
  type StoredRun,
  toErrorBody,
} from '@penstock/protocol';
import type { RunLog } from '@penstock/transport';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ReadRequest, SubmitDeps } from '../dispatch/submit.ts';
import { EventStream } from '../http/event-stream.ts';
import { holding, type Preferences } from '../intake/preferences.ts';
import { rewriteEvents } from '../replies/chat-reply.ts';
import { baseHeaders } from '../replies/http-reply.ts';
import { pollHeaders } from '../runs/poll-headers.ts';
import type { Runs } from '../runs/runs.ts';
import { assertLogKept, pourLog } from '../runs/stream-log.ts';
import { completionDetail, storedCompletion } from './stored-completions.ts';

export type JobRoute = { Params: { id: string } };

export class Jobs {
  readonly #runs: Runs;
  readonly #log: RunLog;

  constructor(runs: Runs, log: RunLog) {
    this.#runs = runs;
    this.#log = log;
  }

  /** Stores and queues it; answers with the result where it comes while the client is held, else with 202. */
  async accept(
    deps: SubmitDeps,
    endpoint: Endpoint,
    work: ReadRequest,
    request: FastifyRequest,
    reply: FastifyReply,
    preferences: Preferences,
  ): Promise<unknown> {
    const { store, stream, tier } = work.summary;
    const kind: RunKind = endpoint === 'chat' && store && !stream ? 'completion' : 'job';
    const { lane, used } = decideTier(tier, !preferences.respondAsync);
    const detail =
      kind === 'completion' ? completionDetail(work.parsed, used) : jobDetail(endpoint, tier, used);
    const log = stream ? 'events' : 'none';
    const run = await this.#runs.accept(deps, endpoint, work, request, { kind, detail, log, lane });
    if (kind === 'completion')
      await this.#runs.store.completions.add(run.tenant, run.id, run.createdAt, this.#runs.ttl);
    const isFollowed = stream && !preferences.respondAsync;
    const { heldMs, headers } = holding(preferences, isFollowed ? 0 : deps.holdMs);
    reply.headers({ location: locationOf(run), ...headers });
    if (isFollowed) return this.#follow(deps, run, request, reply);
    if (heldMs === 0) return this.#answer(deps, run, request, reply);
    await this.#runs.untilDone(run.id, heldMs);
    const now = await this.#runs.look(deps, run.id, run.tenant, kind);
    // Whoever asked for an answer, and not to be sent away, would take a job for one.
    if (now.status === 'cancelled' && !preferences.respondAsync) throw new DispatchError('job_cancelled');
    if (isFinalStatus(now.status) && isStream(now)) return this.#follow(deps, now, request, reply);
    return this.#answer(deps, now, request, reply);
  }

  /** The answer in the shape of the endpoint that was called, or how far the job is. */
  async show(deps: SubmitDeps, request: FastifyRequest<JobRoute>, reply: FastifyReply): Promise<unknown> {
    const run = await this.#runs.look(deps, request.params.id, request.tenant, 'job');
    if (isStream(run)) return this.#follow(deps, run, request, reply);
    return this.#answer(deps, run, request, reply);
  }

  /** Final jobs stay as they are; doing it twice changes nothing. */
  async cancel(
    deps: SubmitDeps,
    request: FastifyRequest<JobRoute>,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const run = await this.#runs.look(deps, request.params.id, request.tenant, 'job');
    const now = await this.#runs.stop(deps, run);
    reply.headers(baseHeaders(request.id, deps.clock.now()));
    return reply.send(jobObject(now));
  }

  async remove(
    deps: SubmitDeps,
    request: FastifyRequest<JobRoute>,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const run = await this.#runs.find(request.params.id, request.tenant, 'job');
    await this.#runs.stop(deps, run);
    await this.#runs.store.remove(run.id, null);
    reply.headers(baseHeaders(request.id, deps.clock.now()));
    return reply.send({ id: run.id, object: 'job', deleted: true });
  }

  #answer(deps: SubmitDeps, run: StoredRun, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    reply.headers({ ...baseHeaders(request.id, deps.clock.now()), 'x-penstock-job': run.id });
    const isOpen = !isFinalStatus(run.status) || (run.log === 'events' && run.result?.status === 200);
    deps.metrics.requests.inc({ endpoint: run.endpoint, status: String(isOpen ? 202 : 200) });
    if (isOpen) return reply.code(202).headers(pollHeaders(deps, run)).send(jobObject(run));
    if (run.result === null) return reply.send(jobObject(run));
    const { status, contentType, body } = run.result;
    if (status === 200 && run.kind === 'completion') return reply.send(storedCompletion(run));
    const told =
      status === 200 && run.detail !== '' ? withTier(JSON.parse(body.toString('utf8')), run) : body;
    return reply.code(status).type(contentType).send(told);
  }

  /** The events as the engine sent them, from the first, and on until the last. */
  async #follow(
    deps: SubmitDeps,
    run: StoredRun,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    await assertLogKept(this.#log, run);
    const headers = reply.getHeaders() as Record<string, string>;
    const stream = new EventStream(reply, deps.keepAliveMs, {
      ...headers,
      ...baseHeaders(request.id, deps.clock.now()),
      'x-penstock-job': run.id,
    });
    await pourLog({ runs: this.#runs.store, runLog: this.#log }, run.id, stream, {
      tell: news => {
        if (news.kind === 'entries') return eventsOf(run, Buffer.concat(news.entries));
        return news.kind === 'final' ? lastWord(news.run) : '';
      },
      onSilence: () => this.#runs.expire(deps, run),
    });
  }
}

/** Kept with a job: the tier that its answer names, where the client named one. */
export function jobDetail(endpoint: Endpoint, tier: ServiceTier | null, used: string): string {
  return endpoint === 'chat' && tier !== null ? used : '';
}

function withTier(answer: object, { detail }: StoredRun): object {
  return { ...answer, service_tier: detail };
}

function eventsOf(run: StoredRun, events: Buffer): Buffer {
  return run.detail === '' ? events : rewriteEvents(events, chunk => withTier(chunk, run));
}

/** What failed as a whole is told as any error, not as a stream. */
function isStream(run: StoredRun): boolean {
  return run.log === 'events' && (run.result === null || run.result.status === 200);
}

/** What follows the last event of a stream that is not whole. */
function lastWord(run: StoredRun | null): string {
  if (run?.result?.status === 200) return '';
  if (run?.result != null) return `data: ${run.result.body.toString('utf8')}\n\n`;
  const error = new DispatchError(run === null ? 'job_not_found' : 'job_cancelled');
  return `data: ${JSON.stringify(toErrorBody(error))}\n\n`;
}

/** Where the answer is found. */
export function locationOf(run: Pick<StoredRun, 'kind' | 'id'>): string {
  return run.kind === 'completion' ? `/v1/chat/completions/chatcmpl-${run.id}` : `/v1/jobs/${run.id}`;
}

export function jobObject(run: StoredRun) {
  return {
    id: run.kind === 'completion' ? `chatcmpl-${run.id}` : run.id,
    object: 'job',
    status: run.status === 'incomplete' ? 'completed' : run.status,
    endpoint: ENDPOINT_PATHS[run.endpoint],
    model: run.model,
    created_at: Math.floor(run.createdAt / 1000),
    expires_at: Math.floor(run.deadlineAt / 1000),
  };
}
