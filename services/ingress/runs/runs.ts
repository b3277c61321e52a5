/**
 * Stored runs as an ingress deals with them: accepted (on disk in the queue before the client hears of it), found again by
 * their tenant, waited for, stopped. They depend neither on this node nor on the client's connection.
 */
import {
  DispatchError,
  doneSubject,
  type Endpoint,
  encodeEnvelope,
  encodeMessage,
  isFinalStatus,
  type Lane,
  type NewRun,
  type RunKind,
  type RunLogKind,
  type StoredRun,
  sharedAddress,
  toErrorBody,
  workerControlSubject,
} from '@penstock/protocol';
import { addressOf } from '@penstock/runs';
import type { Clock } from '@penstock/runtime';
import type { RunStore, RunTtl, WorkQueue } from '@penstock/transport';
import { type InferenceRequest, queueSizeOf } from '../intake/understand.ts';
import type { WorkMetaWriter } from '../intake/work-meta.ts';
import type { RunCall } from './run-call.ts';

/** Records outlive the deadline by this, so that a late client learns what became of its run, ms. */
const RECORD_SLACK_MS = 24 * 3600 * 1000;
/** What was begun in time may run for so much longer, ms. */
const RUNNING_SLACK_MS = 10 * 60_000;
/** How often a run that is waited for is looked at, ms. */
const LOOK_MS = 2000;
const JSON_TYPE = 'application/json; charset=utf-8';

/** What is particular about a run. */
export interface RunAbout {
  readonly kind: RunKind;
  readonly detail: string;
  readonly log: RunLogKind;
  readonly lane: Lane;
}

export interface RunsOptions {
  readonly store: RunStore;
  readonly ttl: RunTtl;
  readonly queue: WorkQueue;
  readonly workMeta: WorkMetaWriter;
  /** The shard for a request that any worker of the model may take. */
  readonly shardFor: (slug: string) => number;
  readonly region: string;
  readonly clock: Clock;
}

export class Runs {
  readonly store: RunStore;
  readonly ttl: RunTtl;
  readonly #o: RunsOptions;
  /** Clients that wait a while for their run. */
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(options: RunsOptions) {
    this.store = options.store;
    this.ttl = options.ttl;
    this.#o = options;
  }

  /** A run is final, somewhere. */
  heard(id: string): void {
    for (const wake of this.#waiting.get(id) ?? []) wake();
  }

  /** Tells all that wait for a run that it is final. */
  tellFinal(id: string): void {
    this.#o.queue.send(doneSubject(this.#o.region), Buffer.from(id));
  }

  /** A run that is in no store and no queue yet. */
  newRun(endpoint: Endpoint, request: InferenceRequest, call: RunCall, about: RunAbout): NewRun {
    const { region, shardFor } = this.#o;
    const { kind, detail, log, lane } = about;
    const slug = request.model.slug;
    const shard = shardFor(slug);
    const key = { region, shard, slug, lane, size: queueSizeOf(lane, request) } as const;
    return {
      ...{ id: call.id, kind, detail, log, endpoint, slug },
      tenant: call.tenant,
      model: request.summary.model,
      address: sharedAddress(key, call.id),
      createdAt: request.acceptedAt,
      // Whole milliseconds: Redis knows no others.
      deadlineAt: request.acceptedAt + Math.ceil(call.timeoutMs),
    };
  }

  /** The record, then the message; a key used before leads to its run, as it is now. */
  async accept(
    endpoint: Endpoint,
    request: InferenceRequest,
    call: RunCall,
    about: RunAbout,
  ): Promise<StoredRun> {
    const run = this.newRun(endpoint, request, call, about);
    const recordMs = run.deadlineAt - run.createdAt + RECORD_SLACK_MS;
    const outcome = await this.store.create(run, recordMs, call.idempotency);
    if (outcome.kind === 'reused')
      throw new DispatchError('idempotency_key_reused', { param: 'Idempotency-Key' });
    // A command that was sent again after a lost connection finds its own record.
    if (outcome.id !== run.id) return this.#repeat(request, outcome.id, call.tenant, about);
    await this.#enqueueNew(request, run, about.lane, call.idempotency?.key ?? null);
    return { ...run, status: 'queued', worker: null, attempt: 0, logLength: 0, result: null };
  }

  async #enqueueNew(request: InferenceRequest, run: NewRun, lane: Lane, key: string | null): Promise<void> {
    try {
      await this.#enqueue(request, run, lane);
    } catch (err) {
      // Refused: the client may try again, with the same key too. But a broker that is slow says so too late, and keeps the message.
      if (await this.store.withdraw(run.id, key)) throw err;
    }
  }

  /** The node that took the key first may have died before it queued the run. The broker takes a message once. */
  async #repeat(
    request: InferenceRequest,
    id: string,
    tenant: string,
    { kind, lane }: RunAbout,
  ): Promise<StoredRun> {
    const run = await this.look(id, tenant, kind);
    if (run.status === 'queued') await this.#enqueue(request, run, lane);
    return run;
  }

  async #enqueue(request: InferenceRequest, run: NewRun, lane: Lane): Promise<void> {
    const meta = {
      ...this.#o.workMeta.write(request, { ...run, lane }),
      ...{ stored: true, log: run.log ?? 'none', acceptedAt: run.createdAt },
    };
    const ttlMs = run.deadlineAt - run.createdAt;
    await this.#o.queue.publish(addressOf(run), encodeEnvelope(meta, request.body), {
      messageId: run.id,
      ttlMs,
    });
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
  async stop(run: StoredRun): Promise<StoredRun> {
    if (isFinalStatus(run.status)) return run;
    const { queue, clock } = this.#o;
    await this.store.cancel(run, clock.now(), this.ttl);
    if (run.address !== null) queue.purge(run.address);
    // A worker may have begun since the record was read.
    const now = (await this.store.read(run.id)) ?? run;
    if (now.worker !== null)
      queue.send(workerControlSubject(now.worker), encodeMessage({ cancel: run.id, attempt: now.attempt }));
    this.tellFinal(run.id);
    return now;
  }

  /** A run whose time is over becomes final when somebody looks at it. @returns it as it is now. */
  async expire(run: StoredRun): Promise<StoredRun | null> {
    const now = this.#o.clock.now();
    if (isFinalStatus(run.status) || now <= run.deadlineAt) return run;
    const error = new DispatchError('deadline_exceeded');
    const body = Buffer.from(JSON.stringify(toErrorBody(error)));
    const result = { status: error.status, contentType: JSON_TYPE, body, finishedAt: now };
    if (await this.store.expire(run, result, RUNNING_SLACK_MS, this.ttl)) this.tellFinal(run.id);
    return this.store.read(run.id);
  }

  /** Unknown, deleted, malformed and foreign ids are all the same to a client. */
  async find(id: string, tenant: string, kind: RunKind): Promise<StoredRun> {
    const run = /^[a-z0-9_-]{1,48}$/.test(id) ? await this.store.read(id) : null;
    if (run === null || run.tenant !== tenant || run.kind !== kind) throw notFound(kind, id);
    return run;
  }

  /** As {@link find}, and final where its time is over. */
  async look(id: string, tenant: string, kind: RunKind): Promise<StoredRun> {
    const run = await this.expire(await this.find(id, tenant, kind));
    if (run === null) throw notFound(kind, id);
    return run;
  }
}

export function notFound(kind: RunKind, id: string): DispatchError {
  if (kind === 'job') return new DispatchError('job_not_found');
  if (kind === 'completion') return new DispatchError('completion_not_found');
  return new DispatchError('response_not_found', { message: `Response with id 'resp_${id}' not found.` });
}
