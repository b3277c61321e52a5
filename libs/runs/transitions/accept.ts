/** Accepting a run: the record first, then its message. Both steps can be repeated: neither is stored twice. */
import { DispatchError, type NewRun, publicId, type StoredRun } from '@penstock/protocol';
import type {
  Backlog,
  BacklogLimits,
  ClaimCheck,
  Idempotency,
  RunCreateOutcome,
  RunStore,
  RunTtl,
  WorkPublisher,
} from '@penstock/transport';
import type { RunFinder } from '../find-run.ts';
import { keyReused } from '../record/idempotency.ts';
import { addressOf } from '../record/new-run.ts';
import { listedMs, recordLifeMs } from '../record/run-life.ts';
import { encodeRunMessage, keptMessage, type RunWork } from '../record/run-message.ts';

/** What the limits of a project say of its queued work. */
export interface OwnBacklog {
  /** That there may be with the run; what is absent has no bound. */
  readonly most: Partial<Backlog>;
  /** Is told what there was, and the bytes that came or would have come. @throws DispatchError where that is too much. */
  check(before: Backlog, moreBytes: number): void;
}

export interface RunAcceptanceOptions {
  readonly store: Pick<RunStore, 'create' | 'completions' | 'withdraw'>;
  readonly queue: Pick<WorkPublisher, 'publish'>;
  readonly claims: ClaimCheck;
  readonly finder: RunFinder;
  readonly ttl: RunTtl;
  /** How much work there may be beside the run. @param bytes of its message. */
  readonly limitsOf: (run: NewRun, bytes: number) => BacklogLimits | null;
}

/** Accepts what clients ask for. */
export class RunAcceptance {
  readonly #o: RunAcceptanceOptions;

  constructor(options: RunAcceptanceOptions) {
    this.#o = options;
  }

  /**
   * Resolves once the run is stored and queued. A key that was used before for the same request leads to its run, as it is now.
   * @throws DispatchError `idempotency_key_reused`, or what the queue or the store refused it with: then nothing is left of it, and the client may
   * try again, also with the same key.
   */
  async accept(
    run: NewRun,
    work: RunWork,
    idempotency: Idempotency | null,
    own?: OwnBacklog,
  ): Promise<StoredRun> {
    const { store, ttl, claims } = this.#o;
    // Made first, since the record keeps it: the queue may lose it.
    const message = await encodeRunMessage(claims, run, work);
    const kept = keptMessage(message, run);
    const outcome = await this.#create(run, kept, idempotency, own);
    if (outcome.kind === 'full' && work.claim === undefined) void claims.discard(run);
    if ('before' in outcome && outcome.before !== undefined) own?.check(outcome.before, kept.length);
    if (outcome.kind === 'full') throw backlogFull(outcome.of);
    // A command that was sent again after a lost connection finds its own record.
    const isNew = outcome.kind !== 'reused' && outcome.id === run.id;
    if (!isNew && work.claim === undefined) void claims.discard(run);
    if (outcome.kind === 'reused') throw keyReused();
    const accepted = isNew
      ? await this.#queueNew(run, message, idempotency)
      : await this.#repeat(run, outcome.id, work);
    await listCompletion(store, accepted, ttl);
    return accepted;
  }

  async #create(
    run: NewRun,
    kept: Buffer,
    idempotency: Idempotency | null,
    own: OwnBacklog | undefined,
  ): Promise<RunCreateOutcome> {
    const { store, claims, limitsOf } = this.#o;
    try {
      const lifeMs = recordLifeMs(queueMsOf(run));
      const shares = limitsOf(run, kept.length);
      const limits = shares === null || own === undefined ? shares : { ...shares, project: own.most };
      return await store.create(run, lifeMs, idempotency, kept, limits);
    } catch (err) {
      // It may be there all the same, as where replicas did not have it in time.
      await store.withdraw(run.id, idempotency?.key ?? null).catch(() => {});
      void claims.discard(run);
      throw err;
    }
  }

  async #queueNew(run: NewRun, message: Buffer, idempotency: Idempotency | null): Promise<StoredRun> {
    try {
      await publishRun(this.#o.queue, run, message, queueMsOf(run));
    } catch (err) {
      // A slow broker may have stored the message after all: if a worker has begun the run, it is accepted; so it is where its key was
      // repeated meanwhile, and that was answered with this run.
      if (await this.#o.store.withdraw(run.id, idempotency?.key ?? null)) {
        void this.#o.claims.discard(run);
        throw err;
      }
    }
    return { ...run, status: 'queued', worker: null, attempt: 0, logLength: 0, result: null };
  }

  /**
   * The process that first used the key may have died before it queued the run. A form in the store was sent with another boundary than the first
   * one, which a worker may be reading: it stays with that.
   */
  async #repeat({ kind, tenant }: NewRun, id: string, work: RunWork): Promise<StoredRun> {
    const run = await this.#o.finder.look(publicId({ kind, id }), tenant, kind);
    if (run.status === 'queued' && work.claim === undefined) await this.#publish(run, work);
    return run;
  }

  async #publish(run: NewRun, work: RunWork): Promise<void> {
    const { queue, claims } = this.#o;
    return publishRun(queue, run, await encodeRunMessage(claims, run, work), queueMsOf(run));
  }
}

/** @param of whose part of the queue is taken. */
export function backlogFull(of: 'project' | 'tenant' | 'model'): DispatchError {
  return new DispatchError('queue_full', {
    message:
      of !== 'model'
        ? 'Your open requests have their share of the queue. Try again after the time in Retry-After, when some of them have been answered.'
        : 'No worker serves this model now, and requests that wait for one take all that they may of the queue. Try again later, or use another model.',
  });
}

/**
 * Creates the record unless it exists.
 * @param queueMs how long the run may wait in the queue.
 * @returns the run as it is recorded: another process may have made it first, in another stream.
 */
export async function recordOnce(
  store: Pick<RunStore, 'create' | 'read'>,
  run: NewRun,
  queueMs: number,
): Promise<NewRun> {
  const { kind } = await store.create(run, recordLifeMs(queueMs), null);
  return kind === 'created' ? run : ((await store.read(run.id)) ?? run);
}

/**
 * Queues the message of a run; the broker drops repetitions.
 * @param messageId another one where the broker may remember the first, and have lost its message.
 * @throws DispatchError where the queue refuses it.
 */
export function publishRun(
  queue: Pick<WorkPublisher, 'publish'>,
  run: NewRun,
  message: Uint8Array,
  queueMs: number,
  messageId = run.id,
): Promise<void> {
  return queue.publish(addressOf(run), message, { messageId, ttlMs: queueMs });
}

/** Adds a stored chat completion to its tenant's list, as soon as it is accepted. */
export async function listCompletion(
  store: Pick<RunStore, 'completions'>,
  { kind, id, tenant, createdAt }: NewRun,
  ttl: RunTtl,
): Promise<void> {
  if (kind === 'completion') await store.completions.add(tenant, id, createdAt, listedMs(ttl));
}

/** How long a run that a client asked for may wait in the queue, ms. */
export function queueMsOf({ createdAt, deadlineAt }: NewRun): number {
  return deadlineAt - createdAt;
}
