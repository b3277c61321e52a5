/**
 * Stored runs as an ingress deals with them: accepted (on disk in the queue before the client hears of it), found again by
 * their tenant, waited for, stopped. They depend neither on this node nor on the client's connection.
 */
import { timeoutOf } from '@penstock/policy';
import {
  DispatchError,
  doneSubject,
  type Endpoint,
  encodeEnvelope,
  encodeMessage,
  idempotencyKey,
  isFinalStatus,
  type Lane,
  type NewRun,
  type RunKind,
  type RunLogKind,
  requestDigest,
  type SizeClass,
  type StoredRun,
  toErrorBody,
  workerControlSubject,
  workStream,
  workSubject,
} from '@penstock/protocol';
import type { Idempotency, RunStore, RunTtl } from '@penstock/transport';
import type { FastifyRequest } from 'fastify';
import { type ReadRequest, type SubmitDeps, summaryMeta } from '../dispatch/submit.ts';

const DAY_MS = 24 * 3600 * 1000;
/** Records outlive the deadline by this, so that a late client learns what became of its run, ms. */
const RECORD_SLACK_MS = DAY_MS;
/** What was begun in time may run for so much longer, ms. */
const RUNNING_SLACK_MS = 10 * 60_000;
/** How often a run that is waited for is looked at, ms. */
const LOOK_MS = 2000;
const MAX_IDEMPOTENCY_KEY = 255;
const JSON_TYPE = 'application/json; charset=utf-8';

/** What is particular about a run. */
export interface RunAbout {
  readonly kind: RunKind;
  readonly detail: string;
  readonly log: RunLogKind;
  readonly lane: Lane;
}

export class Runs {
  readonly store: RunStore;
  readonly ttl: RunTtl;
  /** Clients that wait a while for their run. */
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(store: RunStore, ttl: RunTtl) {
    this.store = store;
    this.ttl = ttl;
  }

  /** A run is final, somewhere. */
  heard(id: string): void {
    for (const wake of this.#waiting.get(id) ?? []) wake();
  }

  /** The record, then the message; a key used before leads to its run, as it is now. */
  async accept(
    deps: SubmitDeps,
    endpoint: Endpoint,
    work: ReadRequest,
    request: FastifyRequest,
    about: RunAbout,
  ): Promise<StoredRun> {
    const path = request.routeOptions.url ?? '';
    const idempotency = idempotencyOf(request, path, request.body as Buffer);
    const run = newRun(deps, endpoint, work, request, about);
    const recordMs = run.deadlineAt - run.createdAt + RECORD_SLACK_MS;
    const outcome = await this.store.create(run, recordMs, idempotency);
    if (outcome.kind === 'reused')
      throw new DispatchError('idempotency_key_reused', { param: 'Idempotency-Key' });
    // A command that was sent again after a lost connection finds its own record.
    if (outcome.id !== run.id) return this.#repeat(deps, work, outcome.id, request.tenant, about);
    await this.#enqueueNew(deps, work, run, about.lane, idempotency);
    return { ...run, status: 'queued', worker: null, attempt: 0, logLength: 0, result: null };
  }

  async #enqueueNew(
    deps: SubmitDeps,
    work: ReadRequest,
    run: NewRun,
    lane: Lane,
    idempotency: Idempotency | null,
  ): Promise<void> {
    try {
      await this.#enqueue(deps, work, run, lane);
    } catch (err) {
      // Refused: the client may try again, with the same key too. But a broker that is slow says so too late, and keeps the message.
      if (await this.store.withdraw(run.id, idempotency?.key ?? null)) throw err;
    }
  }

  /** The node that took the key first may have died before it queued the run. The broker takes a message once. */
  async #repeat(
    deps: SubmitDeps,
    work: ReadRequest,
    id: string,
    tenant: string,
    { kind, lane }: RunAbout,
  ): Promise<StoredRun> {
    const run = await this.look(deps, id, tenant, kind);
    if (run.status === 'queued') await this.#enqueue(deps, work, run, lane);
    return run;
  }

  async #enqueue(deps: SubmitDeps, work: ReadRequest, run: NewRun, lane: Lane): Promise<void> {
    const meta = {
      ...summaryMeta(deps, run.id, run.endpoint, work.summary, run.slug),
      lane,
      size: sizeIn(lane, work),
      ...{ stored: true, log: run.log ?? 'none', held: {} },
      promptTokens: work.promptTokens,
      acceptedAt: run.createdAt,
      deadlineAt: run.deadlineAt,
    };
    const ttlMs = run.deadlineAt - run.createdAt;
    await deps.queue.publish(run.subject, encodeEnvelope(meta, work.body), { messageId: run.id, ttlMs });
  }

  /** The hint may have come already, or be lost with whoever should have given it: the record is looked at too, now and again. */
  async untilDone(id: string, waitMs: number): Promise<void> {
    await new Promise<void>(resolve => {
      const wakers = this.#waiting.get(id) ?? new Set();
      this.#waiting.set(id, wakers);
      const wake = () => {
        clearTimeout(timer);
        clearInterval(looking);
        wakers.delete(wake);
        if (wakers.size === 0) this.#waiting.delete(id);
        resolve();
      };
      const look = () => {
        this.store.progress([id]).then(
          ([found = null]) => {
            if (found === null || isFinalStatus(found.status)) wake();
          },
          () => {},
        );
      };
      const timer = setTimeout(wake, waitMs);
      const looking = setInterval(look, LOOK_MS);
      wakers.add(wake);
      look();
    });
  }

  /** Cancels what is not final: queued work leaves the queue, running work its engine. */
  async stop(deps: SubmitDeps, run: StoredRun): Promise<StoredRun> {
    if (isFinalStatus(run.status)) return run;
    await this.store.cancel(run, deps.clock.now(), this.ttl);
    deps.queue.purge(run.stream, run.subject);
    // A worker may have begun since the record was read.
    const now = (await this.store.read(run.id)) ?? run;
    if (now.worker !== null)
      deps.queue.send(
        workerControlSubject(now.worker),
        encodeMessage({ cancel: run.id, attempt: now.attempt }),
      );
    deps.queue.send(doneSubject(deps.region), Buffer.from(run.id));
    return now;
  }

  /** A run whose time is over becomes final when somebody looks at it. @returns it as it is now. */
  async expire(deps: SubmitDeps, run: StoredRun): Promise<StoredRun | null> {
    const now = deps.clock.now();
    if (isFinalStatus(run.status) || now <= run.deadlineAt) return run;
    const error = new DispatchError('deadline_exceeded');
    const body = Buffer.from(JSON.stringify(toErrorBody(error)));
    const result = { status: error.status, contentType: JSON_TYPE, body, finishedAt: now };
    if (await this.store.expire(run, result, RUNNING_SLACK_MS, this.ttl))
      deps.queue.send(doneSubject(deps.region), Buffer.from(run.id));
    return this.store.read(run.id);
  }

  /** Unknown, deleted, malformed and foreign ids are all the same to a client. */
  async find(id: string, tenant: string, kind: RunKind): Promise<StoredRun> {
    const run = /^[a-z0-9_-]{1,48}$/.test(id) ? await this.store.read(id) : null;
    if (run === null || run.tenant !== tenant || run.kind !== kind) throw notFound(kind, id);
    return run;
  }

  /** As {@link find}, and final where its time is over. */
  async look(deps: SubmitDeps, id: string, tenant: string, kind: RunKind): Promise<StoredRun> {
    const run = await this.expire(deps, await this.find(id, tenant, kind));
    if (run === null) throw notFound(kind, id);
    return run;
  }
}

export function notFound(kind: RunKind, id: string): DispatchError {
  if (kind === 'job') return new DispatchError('job_not_found');
  if (kind === 'completion') return new DispatchError('completion_not_found');
  return new DispatchError('response_not_found', { message: `Response with id 'resp_${id}' not found.` });
}

/** Only the interactive lane tells prompt sizes apart. */
function sizeIn(lane: Lane, work: ReadRequest): SizeClass {
  return lane === 'interactive' ? work.size : 'any';
}

export function newRun(
  deps: SubmitDeps,
  endpoint: Endpoint,
  work: ReadRequest,
  request: FastifyRequest,
  { kind, detail, log, lane }: RunAbout,
): NewRun {
  const slug = work.model.slug;
  const shard = deps.fleet.shardFor(slug);
  const key = { region: deps.region, shard, slug, lane, size: sizeIn(lane, work) } as const;
  const own = request.headers['x-request-timeout-ms'];
  // The SDKs' time-outs are about this connection, not about the run.
  const timeoutMs = typeof own === 'string' ? timeoutOf({ requestTimeoutMs: own }, DAY_MS) : DAY_MS;
  return {
    ...{ id: request.id, kind, detail, log, endpoint, slug },
    tenant: request.tenant,
    model: work.summary.model,
    stream: workStream(deps.region, shard),
    subject: workSubject(key, request.id),
    createdAt: work.acceptedAt,
    // Whole milliseconds: Redis knows no others.
    deadlineAt: work.acceptedAt + Math.ceil(timeoutMs),
  };
}

/** Whether the client wants a repeated request to be the same request. */
export function isKeyed(request: FastifyRequest): boolean {
  return request.headers['idempotency-key'] !== undefined;
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
  const digest = requestDigest(what, body);
  return { key: idempotencyKey(request.tenant, key), digest };
}
