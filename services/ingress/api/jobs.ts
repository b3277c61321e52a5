/**
 * Inference requests whose answers are stored, because the client fetches them later (`Prefer: respond-async`) or may repeat the
 * request (`Idempotency-Key`). The answer has the shape of the endpoint that was called; a stream is replayed as a stream,
 * from its first event.
 */
import { decideTier } from '@penstock/policy';
import {
  clientContentType,
  DispatchError,
  type Endpoint,
  isFinalStatus,
  publicId,
  type RunKind,
  type StoredRun,
} from '@penstock/protocol';
import type { RunCanceller, RunWaiters } from '@penstock/runs';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { letGoOfBody } from '../http/body-reader.ts';
import type { Api, Guards } from '../http/guards.ts';
import { answer, baseHeaders } from '../http/headers.ts';
import { holding, type Preferences } from '../intake/preferences.ts';
import type { InferenceRequest } from '../intake/understand.ts';
import { rewriteEvents } from '../replies/chat-reply.ts';
import { completionDetail, completionLabels, storedCompletion } from '../runs/completion-view.ts';
import { isStream, jobDetail, jobObject, lastWord, locationOf, withTier } from '../runs/job-view.ts';
import type { PollHints } from '../runs/poll-hints.ts';
import { runCallOf } from '../runs/run-call.ts';
import type { RunIntake } from '../runs/run-intake.ts';
import type { StoredReads } from '../runs/stored-reads.ts';
import type { LogStreams } from '../runs/stream-log.ts';

type JobRoute = { Params: { id: string } };
type JobRequest = FastifyRequest<JobRoute>;

export interface JobsOptions {
  readonly runIntake: RunIntake;
  readonly reads: StoredReads;
  readonly canceller: RunCanceller;
  readonly waiters: RunWaiters;
  readonly logStreams: LogStreams;
  readonly pollHints: PollHints;
  /** How long the client of a call without a stream is held, ms. */
  readonly holdMs: number;
}

export class JobsApi implements Api {
  readonly #o: JobsOptions;

  constructor(options: JobsOptions) {
    this.#o = options;
  }

  addTo(app: FastifyInstance, { identify: onRequest }: Guards): void {
    const path = '/v1/jobs/:id';
    app.get<JobRoute>(path, { onRequest }, (request, reply) => this.#show(request, reply));
    app.delete<JobRoute>(path, { onRequest }, (request, reply) => this.#remove(request, reply));
    app.post<JobRoute>(`${path}/cancel`, { onRequest }, (request, reply) => this.#cancel(request, reply));
  }

  /** Stores and queues it; answers with the result where it comes while the client is held, else with 202. */
  async accept(
    endpoint: Endpoint,
    read: InferenceRequest,
    request: FastifyRequest,
    reply: FastifyReply,
    preferences: Preferences,
  ): Promise<unknown> {
    const { stream } = read.summary;
    const run = await this.#store(endpoint, read, request, reply, preferences);
    letGoOfBody(request);
    // In a method of its own: this one would keep the prompt while the client waits.
    return this.#accepted(run, stream, request, reply, preferences);
  }

  async #accepted(
    run: StoredRun,
    stream: boolean,
    request: FastifyRequest,
    reply: FastifyReply,
    preferences: Preferences,
  ): Promise<unknown> {
    const { reads, waiters, holdMs } = this.#o;
    const isFollowed = stream && !preferences.respondAsync;
    const { heldMs, headers } = holding(preferences, isFollowed ? 0 : holdMs);
    reply.headers({ location: locationOf(run), ...headers });
    if (isFollowed) return this.#follow(run, request, reply);
    if (heldMs === 0) return this.#answer(run, request, reply);
    await waiters.untilDone(run.id, heldMs);
    const now = await reads.look(publicId(run), run.kind, request, reply);
    // A client that did not ask for a job would mistake its description for the answer.
    if (now.status === 'cancelled' && !preferences.respondAsync) throw new DispatchError('job_cancelled');
    if (isFinalStatus(now.status) && isStream(now)) return this.#follow(now, request, reply);
    return this.#answer(now, request, reply);
  }

  async #store(
    endpoint: Endpoint,
    read: InferenceRequest,
    request: FastifyRequest,
    reply: FastifyReply,
    preferences: Preferences,
  ): Promise<StoredRun> {
    const { store, stream, tier } = read.summary;
    const kind: RunKind = endpoint === 'chat' && store && !stream ? 'completion' : 'job';
    const { lane, used } = decideTier(tier, !preferences.respondAsync);
    const record =
      kind === 'completion'
        ? {
            detail: read.restore(completionDetail(read.parsed, used)),
            labels: completionLabels(read.parsed),
          }
        : { detail: jobDetail(endpoint, tier, used) };
    const log = stream ? 'events' : 'none';
    const about = { kind, ...record, log, lane } as const;
    return this.#o.runIntake.accept(endpoint, read, runCallOf(request), about, headers =>
      reply.headers(headers),
    );
  }

  /** The answer in the shape of the endpoint that was called, or the state of the job. */
  async #show(request: JobRequest, reply: FastifyReply): Promise<unknown> {
    const run = await this.#o.reads.look(request.params.id, 'job', request, reply);
    return isStream(run) ? this.#follow(run, request, reply) : this.#answer(run, request, reply);
  }

  /** Final jobs stay as they are; doing it twice changes nothing. */
  async #cancel(request: JobRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { reads, canceller } = this.#o;
    const now = await canceller.cancel(await reads.look(request.params.id, 'job', request, reply));
    return answer(reply, request, jobObject(now));
  }

  async #remove(request: JobRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { reads, canceller } = this.#o;
    const run = await reads.look(request.params.id, 'job', request, reply);
    await canceller.remove(run);
    return answer(reply, request, { id: run.id, object: 'job', deleted: true });
  }

  #answer(run: StoredRun, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    reply.headers({ ...baseHeaders(request, reply.elapsedTime), 'x-penstock-job': run.id });
    const isOpen = !isFinalStatus(run.status) || (run.log === 'events' && run.result?.status === 200);
    if (isOpen) return reply.code(202).headers(this.#o.pollHints.headers(run)).send(jobObject(run));
    if (run.result === null) return reply.send(jobObject(run));
    const { status, contentType, body } = run.result;
    if (status === 200 && run.kind === 'completion') return reply.send(storedCompletion(run));
    const answer =
      status === 200 && run.detail !== '' ? withTier(JSON.parse(body.toString('utf8')), run) : body;
    return reply.code(status).type(clientContentType(contentType)).send(answer);
  }

  /** The events as the engine sent them, from the first, and on until the last. */
  async #follow(run: StoredRun, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    await this.#o.logStreams.send(run, request, reply, {
      headers: { 'x-penstock-job': run.id },
      render: news => {
        if (news.kind === 'entries') return eventsOf(run, Buffer.concat(news.entries));
        return news.kind === 'final' ? lastWord(news.run) : '';
      },
    });
  }
}

function eventsOf(run: StoredRun, events: Buffer): Buffer {
  return run.detail === '' ? events : rewriteEvents(events, chunk => withTier(chunk, run));
}
