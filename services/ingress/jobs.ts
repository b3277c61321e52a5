/**
 * Jobs: inference requests whose clients come back for the answer (`Prefer: respond-async`). A job is a stored run in the
 * background lane; what is accepted here is on disk in the queue before the client hears of it, and no longer depends on
 * this node or on the client's connection.
 */
import { hash } from 'node:crypto';
import { timeoutOf } from '@penstock/policy';
import {
  DispatchError,
  doneSubject,
  ENDPOINT_PATHS,
  type Endpoint,
  encodeEnvelope,
  encodeMessage,
  idempotencyKey,
  isFinalStatus,
  type NewRun,
  type RunKind,
  type RunLogKind,
  type StoredRun,
  toErrorBody,
  workerControlSubject,
  workStream,
  workSubject,
} from '@penstock/protocol';
import type { Idempotency, RunStore, RunTtl } from '@penstock/transport';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { baseHeaders } from './http-reply.ts';
import type { Preferences } from './preferences.ts';
import { type ReadRequest, type SubmitDeps, summaryMeta } from './submit.ts';

const DAY_MS = 24 * 3600 * 1000;
/** Records outlive the deadline by this, so that a late client learns what became of its job, ms. */
const RECORD_SLACK_MS = DAY_MS;
/** What was begun in time may run for so much longer, ms. */
const RUNNING_SLACK_MS = 10 * 60_000;
const MAX_IDEMPOTENCY_KEY = 255;
const POLL_AFTER = { least: 250, most: 5000, slack: 250 } as const;

type JobParams = { Params: { id: string } };

export class Jobs {
  readonly #runs: RunStore;
  readonly #ttl: RunTtl;
  /** Clients that wait a while for their job. */
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(runs: RunStore, ttl: RunTtl) {
    this.#runs = runs;
    this.#ttl = ttl;
  }

  /** A job is final, somewhere. */
  heard(id: string): void {
    for (const wake of this.#waiting.get(id) ?? []) wake();
  }

  /** Stores the job, queues it, waits for as long as the client prefers, and answers with the result or 202. */
  async accept(
    deps: SubmitDeps,
    endpoint: Endpoint,
    work: ReadRequest,
    request: FastifyRequest,
    reply: FastifyReply,
    preferences: Preferences,
  ): Promise<FastifyReply> {
    const { id, tenant } = request;
    const outcome = await this.store(deps, endpoint, work, request, {
      kind: 'job',
      detail: '',
      log: 'none',
    });
    if (preferences.waitMs > 0) await this.untilDone(outcome.id, preferences.waitMs);
    const stored = await this.find(outcome.id, tenant, 'job');
    reply.header('preference-applied', 'respond-async').header('location', `/v1/jobs/${outcome.id}`);
    deps.metrics.requests.inc({ endpoint, status: '202' });
    return this.#answer(deps, stored, reply, id);
  }

  /** The record, then the message; a key used before leads to its run. @returns the run's id. */
  async store(
    deps: SubmitDeps,
    endpoint: Endpoint,
    work: ReadRequest,
    request: FastifyRequest,
    about: { kind: RunKind; detail: string; log: RunLogKind },
  ): Promise<{ id: string; isNew: boolean }> {
    const idempotency = idempotencyOf(request, endpoint, work.body);
    const run = { ...newRun(deps, endpoint, work, request), ...about };
    const ttlMs = run.deadlineAt - run.createdAt + RECORD_SLACK_MS;
    const outcome = await this.#runs.create(run, ttlMs, idempotency);
    if (outcome.kind === 'reused')
      throw new DispatchError('idempotency_key_reused', { param: 'Idempotency-Key' });
    // A command that was sent again after a lost connection finds its own record.
    const isNew = outcome.id === run.id;
    if (isNew) await this.#enqueueNew(deps, work, run, idempotency);
    else await this.#enqueueAgain(deps, work, outcome.id);
    return { id: outcome.id, isNew };
  }

  async #enqueueNew(
    deps: SubmitDeps,
    work: ReadRequest,
    run: NewRun,
    idempotency: Idempotency | null,
  ): Promise<void> {
    try {
      await this.#enqueue(deps, work, run);
    } catch (err) {
      // Refused: the client may try again, with the same key too.
      await this.#runs.remove(run.id, idempotency?.key ?? null);
      throw err;
    }
  }

  /** The node that took the key first may have died before it queued the run. The broker takes a message once. */
  async #enqueueAgain(deps: SubmitDeps, work: ReadRequest, id: string): Promise<void> {
    const run = await this.#runs.read(id);
    if (run?.status === 'queued') await this.#enqueue(deps, work, run);
  }

  async #enqueue(deps: SubmitDeps, work: ReadRequest, run: NewRun): Promise<void> {
    const meta = {
      ...summaryMeta(deps, run.id, run.endpoint, work.summary, run.slug),
      lane: 'background' as const,
      size: 'any' as const,
      stored: true,
      log: run.log ?? 'none',
      promptTokens: work.promptTokens,
      acceptedAt: run.createdAt,
      deadlineAt: run.deadlineAt,
      held: {},
    };
    const ttlMs = run.deadlineAt - run.createdAt;
    await deps.queue.publish(run.subject, encodeEnvelope(meta, work.body), { messageId: run.id, ttlMs });
  }

  /** The hint may be lost or have come already: the caller reads the record in any case. */
  async untilDone(id: string, waitMs: number): Promise<void> {
    await new Promise<void>(resolve => {
      const wakers = this.#waiting.get(id) ?? new Set();
      this.#waiting.set(id, wakers);
      const wake = () => {
        clearTimeout(timer);
        wakers.delete(wake);
        if (wakers.size === 0) this.#waiting.delete(id);
        resolve();
      };
      const timer = setTimeout(wake, waitMs);
      wakers.add(wake);
      this.#runs.read(id).then(
        run => {
          if (run === null || isFinalStatus(run.status)) wake();
        },
        () => {},
      );
    });
  }

  /** The answer in the shape of the endpoint that was called, or how far the job is. */
  async show(
    deps: SubmitDeps,
    request: FastifyRequest<JobParams>,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const run = await this.look(deps, request.params.id, request.tenant, 'job');
    return this.#answer(deps, run, reply, request.id);
  }

  /** Final jobs stay as they are; doing it twice changes nothing. */
  async cancel(
    deps: SubmitDeps,
    request: FastifyRequest<JobParams>,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const run = await this.stop(deps, await this.find(request.params.id, request.tenant, 'job'));
    reply.headers(baseHeaders(request.id, deps.clock.now()));
    return reply.send(toJob((await this.#runs.read(run.id)) ?? run));
  }

  async remove(
    deps: SubmitDeps,
    request: FastifyRequest<JobParams>,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const run = await this.stop(deps, await this.find(request.params.id, request.tenant, 'job'));
    await this.#runs.remove(run.id, null);
    reply.headers(baseHeaders(request.id, deps.clock.now()));
    return reply.send({ id: run.id, object: 'job', deleted: true });
  }

  /** Cancels what is not final: queued work leaves the queue, running work its engine. */
  async stop(deps: SubmitDeps, run: StoredRun): Promise<StoredRun> {
    if (isFinalStatus(run.status)) return run;
    await this.#runs.cancel(run, deps.clock.now(), this.#ttl);
    deps.queue.purge(run.stream, run.subject);
    if (run.worker !== null)
      deps.queue.send(
        workerControlSubject(run.worker),
        encodeMessage({ cancel: run.id, attempt: run.attempt }),
      );
    deps.queue.send(doneSubject(deps.region), Buffer.from(run.id));
    return run;
  }

  /** A run whose time is over becomes final when somebody looks at it. @returns it as it is now. */
  async expire(deps: SubmitDeps, run: StoredRun): Promise<StoredRun | null> {
    const now = deps.clock.now();
    if (isFinalStatus(run.status) || now <= run.deadlineAt) return run;
    const error = new DispatchError('deadline_exceeded');
    const body = Buffer.from(JSON.stringify(toErrorBody(error)));
    const contentType = 'application/json; charset=utf-8';
    const result = { status: error.status, contentType, body, finishedAt: now };
    if (await this.#runs.expire(run, result, RUNNING_SLACK_MS, this.#ttl))
      deps.queue.send(doneSubject(deps.region), Buffer.from(run.id));
    return this.#runs.read(run.id);
  }

  /** Unknown, deleted, malformed and foreign ids are all the same to a client. */
  async find(id: string, tenant: string, kind: RunKind): Promise<StoredRun> {
    const run = /^[a-z0-9_-]{1,48}$/.test(id) ? await this.#runs.read(id) : null;
    if (run === null || run.tenant !== tenant || run.kind !== kind) throw notFound(kind, id);
    return run;
  }

  /** As {@link find}, and final where its time is over. */
  async look(deps: SubmitDeps, id: string, tenant: string, kind: RunKind): Promise<StoredRun> {
    const run = await this.expire(deps, await this.find(id, tenant, kind));
    if (run === null) throw notFound(kind, id);
    return run;
  }

  #answer(deps: SubmitDeps, run: StoredRun, reply: FastifyReply, requestId: string): FastifyReply {
    const now = deps.clock.now();
    reply.headers({ ...baseHeaders(requestId, now), 'x-penstock-job': run.id });
    if (run.result !== null)
      return reply.code(run.result.status).type(run.result.contentType).send(run.result.body);
    if (run.status === 'cancelled') return reply.send(toJob(run));
    reply.headers(pollHeaders(deps, run));
    return reply.code(202).send(toJob(run));
  }
}

/** When to ask again, from how long new work of the model waits now. */
export function pollHeaders(deps: SubmitDeps, run: StoredRun): Record<string, string> {
  const waitMs = 1000 * deps.fleet.waitS(run.slug);
  const pollMs = Math.min(POLL_AFTER.most, Math.max(POLL_AFTER.least, waitMs + POLL_AFTER.slack));
  return {
    'retry-after': String(Math.ceil(pollMs / 1000)),
    'openai-poll-after-ms': String(Math.round(pollMs)),
    'x-penstock-queue-eta-ms': String(Math.round(waitMs)),
  };
}

function newRun(deps: SubmitDeps, endpoint: Endpoint, work: ReadRequest, request: FastifyRequest) {
  const slug = work.model.slug;
  const shard = deps.fleet.shardFor(slug);
  const key = { region: deps.region, shard, slug, lane: 'background', size: 'any' } as const;
  const own = request.headers['x-request-timeout-ms'];
  // The SDKs' time-outs are about this connection, not about the job.
  const timeoutMs = typeof own === 'string' ? timeoutOf({ requestTimeoutMs: own }, DAY_MS) : DAY_MS;
  return {
    id: request.id,
    tenant: request.tenant,
    endpoint,
    model: work.summary.model,
    slug,
    stream: workStream(deps.region, shard),
    subject: workSubject(key, request.id),
    createdAt: work.acceptedAt,
    deadlineAt: work.acceptedAt + timeoutMs,
  };
}

/** @param what the kind of thing that is made: one key never stands for two. */
export function idempotencyOf(request: FastifyRequest, what: string, body: Buffer): Idempotency | null {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return null;
  if (typeof key !== 'string' || key.length === 0 || key.length > MAX_IDEMPOTENCY_KEY)
    throw new DispatchError('invalid_request', {
      message: `Idempotency-Key must have 1 to ${MAX_IDEMPOTENCY_KEY} characters.`,
      param: 'Idempotency-Key',
    });
  const digest = hash('sha256', Buffer.concat([Buffer.from(`${what}\n`), body]));
  return { key: idempotencyKey(request.tenant, key), digest };
}

function notFound(kind: RunKind, id: string): DispatchError {
  if (kind === 'job') return new DispatchError('job_not_found');
  return new DispatchError('response_not_found', { message: `Response with id 'resp_${id}' not found.` });
}

function toJob(run: StoredRun) {
  return {
    id: run.id,
    object: 'job',
    status: run.status,
    endpoint: ENDPOINT_PATHS[run.endpoint],
    model: run.model,
    created_at: Math.floor(run.createdAt / 1000),
    expires_at: Math.floor(run.deadlineAt / 1000),
  };
}
