/** Deliveries of webhooks as BullMQ jobs: they survive every process, and another process takes over those of a dead one. */
import { type Job, Queue, QueueEvents, type RedisOptions, UnrecoverableError, Worker } from 'bullmq';
import type { DeliveryJob, DeliveryJobs, JobOutcome } from '../ports/webhooks/delivery-jobs.ts';
import type { PostOutcome } from '../ports/webhooks/poster.ts';
import type { RedisReach } from '../redis/connection/address.ts';
import { clientOptions } from '../redis/connection/connection.ts';
import { removeHalfMade } from './half-made.ts';
import { putOff } from './later.ts';

const NAME = 'penstock-webhooks';
/** A process that is silent for longer loses its jobs, ms. Locks are renewed, so this may be less than an attempt takes. */
const LOCK_MS = 8000;
const STALLED_MS = 2000;
/** Attempts at once in a process. They mostly wait for receivers. */
export const DELIVERIES_AT_ONCE = 200;
/** Done jobs are remembered, so that an event that is fanned out twice is sent once. Ages in seconds. */
const REMEMBER_DONE = { age: 3600, count: 10_000 } as const;
const REMEMBER_FAILED = { age: 7 * 24 * 3600, count: 10_000 } as const;

/** Jobs that were put back and are remembered at most. */
const MOST_PUT_BACK = 10_000;
/** When they are looked at after a script failed: by then Redis may take writes again. And again after as long, where it does not. */
const LOOK_AGAIN_MS = 3000;

/** Carries the delay to the backoff strategy that BullMQ calls. */
class TryAgain extends Error {
  override readonly name = 'TryAgain';
  readonly delayMs: number;
  constructor(delayMs: number) {
    super('the attempt failed');
    this.delayMs = delayMs;
  }
}

export class BullDeliveries implements DeliveryJobs {
  readonly #connection: RedisOptions;
  readonly #attempts: number;
  readonly #queue: Queue;
  #events: QueueEvents | null = null;
  #worker: Worker | null = null;
  /** By id: jobs that this process has put back and that are not done. Those of the longest ago first. */
  readonly #putBack = new Map<string, DeliveryJob>();
  #lookingAgain: NodeJS.Timeout | null = null;

  /** @param attempts most attempts at an event. */
  constructor(reach: RedisReach, attempts: number) {
    this.#connection = clientOptions(reach) as RedisOptions;
    this.#attempts = attempts;
    this.#queue = new Queue(NAME, { connection: this.#connection });
    this.#queue.on('error', () => {});
  }

  #options(jobId: string) {
    return {
      jobId,
      attempts: this.#attempts,
      backoff: { type: 'scheduled' },
      removeOnComplete: REMEMBER_DONE,
      removeOnFail: REMEMBER_FAILED,
      stackTraceLimit: 0,
    };
  }

  async add(jobs: readonly DeliveryJob[]): Promise<void> {
    await this.#queue.addBulk(
      jobs.map(data => ({ name: 'deliver', data, opts: this.#options(jobIdOf(data)) })),
    );
  }

  async completeAdd(jobs: readonly DeliveryJob[]): Promise<void> {
    for (const job of jobs) await removeHalfMade(this.#queue, jobIdOf(job));
    await this.add(jobs);
  }

  async again(job: DeliveryJob, nonce: string): Promise<void> {
    await this.#queue.add('deliver', job, this.#options(`${jobIdOf(job)}.${nonce}`));
  }

  async once(job: DeliveryJob, nonce: string, waitMs: number): Promise<PostOutcome | null> {
    if (this.#events === null) {
      this.#events = new QueueEvents(NAME, { connection: this.#connection });
      this.#events.on('error', () => {});
      await this.#events.waitUntilReady();
    }
    const options = { ...this.#options(`${jobIdOf(job)}.${nonce}`), attempts: 1 };
    const added = await this.#queue.add('deliver', job, options);
    try {
      return (await added.waitUntilFinished(this.#events, waitMs)) as PostOutcome;
    } catch {
      await added.remove().catch(() => {});
      return null;
    }
  }

  work(
    run: (job: DeliveryJob, attempt: number, stop: AbortSignal) => Promise<JobOutcome>,
    trouble: (err: Error) => void,
  ): void {
    const process = async (job: Job, token?: string, stop?: AbortSignal) => {
      const signal = stop ?? new AbortController().signal;
      const outcome = await run(job.data as DeliveryJob, job.attemptsMade + 1, signal);
      this.#note(job, outcome);
      return settle(job, token, outcome);
    };
    const worker = new Worker(NAME, process, {
      connection: this.#connection,
      concurrency: DELIVERIES_AT_ONCE,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_MS,
      maxStalledCount: 1000,
      // A short pause after a failure of our own, such as a lost Redis: the job's schedule is for failures of the endpoint.
      settings: {
        backoffStrategy: (_made, _type, err) => (err instanceof TryAgain ? err.delayMs : STALLED_MS),
      },
    });
    worker.on('error', err => {
      trouble(err);
      this.#lookAgain();
    });
    // Another process runs it now.
    worker.on('lockRenewalFailed', ids => {
      for (const id of ids) worker.cancelJob(id);
    });
    this.#worker = worker;
  }

  #note({ id = '', data }: Job, { kind }: JobOutcome): void {
    this.#putBack.delete(id);
    if (kind !== 'retry' && kind !== 'later') return;
    this.#putBack.set(id, data as DeliveryJob);
    const [oldest] = this.#putBack.keys();
    if (this.#putBack.size > MOST_PUT_BACK && oldest !== undefined) this.#putBack.delete(oldest);
  }

  /**
   * A script failed: it may have been one that puts jobs back, or takes those that are due from where they wait, a thousand at once. What is in
   * no list then is added again.
   */
  #lookAgain(): void {
    this.#lookingAgain ??= setTimeout(() => {
      this.#addHalfMade()
        .then(() => {
          this.#lookingAgain = null;
        })
        .catch(() => {
          this.#lookingAgain = null;
          this.#lookAgain();
        });
    }, LOOK_AGAIN_MS);
  }

  async #addHalfMade(): Promise<void> {
    for (const [id, job] of this.#putBack)
      if (await removeHalfMade(this.#queue, id)) await this.#queue.add('deliver', job, this.#options(id));
  }

  async counts(): Promise<{ waiting: number; active: number; delayed: number }> {
    const counts = await this.#queue.getJobCounts('waiting', 'active', 'delayed');
    return {
      waiting: counts['waiting'] ?? 0,
      active: counts['active'] ?? 0,
      delayed: counts['delayed'] ?? 0,
    };
  }

  async close(): Promise<void> {
    // Attempts under way are made again by another process: delivery is at least once, and receivers can tell by the id.
    await this.#worker?.close(true);
    if (this.#lookingAgain !== null) clearTimeout(this.#lookingAgain);
    await this.#events?.close();
    await this.#queue.close();
  }
}

function jobIdOf(job: DeliveryJob): string {
  return `${job.event.id}.${job.endpoint}`;
}

async function settle(job: Job, token: string | undefined, outcome: JobOutcome): Promise<PostOutcome | null> {
  switch (outcome.kind) {
    case 'done':
      return outcome.result;
    case 'retry':
      throw new TryAgain(outcome.delayMs);
    case 'later':
      return putOff(job, token, outcome.delayMs);
    case 'given_up':
      throw new UnrecoverableError(outcome.reason);
  }
}
