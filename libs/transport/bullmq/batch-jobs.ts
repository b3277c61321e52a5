/** Batches to be processed, as BullMQ jobs: when a process dies, another one takes over its batches. */
import { type Job, Queue, type RedisOptions, Worker } from 'bullmq';
import type { BatchJobEnd, BatchJobs } from '../ports/tasks/batch-jobs.ts';
import type { RedisReach } from '../redis/connection/address.ts';
import { clientOptions } from '../redis/connection/connection.ts';
import { removeHalfMade } from './half-made.ts';
import { putOff } from './later.ts';

const NAME = 'penstock-batches';
/** Attempts to process a batch; after that it has to be added again. */
const ATTEMPTS = 100;
const BACKOFF_MS = 5000;
/** A process that is silent for longer loses its batches to another one, ms. */
const LOCK_MS = 8000;
/** How often lost jobs are looked for. Whole milliseconds: Redis refuses fractions. */
const STALLED_MS = 2000;
/** Batches processed at once in a process. They mostly wait, and a batch that is not among them is neither checked nor cancelled. */
export const BATCHES_AT_ONCE = 512;

export class BullBatches implements BatchJobs {
  readonly #connection: RedisOptions;
  readonly #queue: Queue;
  #worker: Worker | null = null;

  constructor(reach: RedisReach) {
    this.#connection = clientOptions(reach) as RedisOptions;
    this.#queue = new Queue(NAME, { connection: this.#connection });
    this.#queue.on('error', () => {});
  }

  async add(batchId: string): Promise<void> {
    await removeHalfMade(this.#queue, batchId);
    await this.#queue.add(
      'run',
      { batchId },
      {
        jobId: batchId,
        attempts: ATTEMPTS,
        backoff: { type: 'fixed', delay: BACKOFF_MS },
        removeOnComplete: true,
        // A failed job that is kept would block adding the batch again.
        removeOnFail: true,
      },
    );
  }

  work(
    run: (batchId: string) => Promise<BatchJobEnd>,
    failed: (batchId: string | null, err: Error) => void,
  ): void {
    const process = async (job: Job, token?: string) => {
      const end = await run((job.data as { batchId: string }).batchId);
      if (end.kind === 'later') await putOff(job, token, end.delayMs);
    };
    this.#worker = new Worker(NAME, process, {
      connection: this.#connection,
      concurrency: BATCHES_AT_ONCE,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_MS,
      maxStalledCount: 1000,
    });
    this.#worker.on('failed', (job, err) => failed(job?.id ?? null, err));
    this.#worker.on('error', err => failed(null, err));
  }

  async close(): Promise<void> {
    // Another process takes over: waiting for the end of a batch could take a day.
    await this.#worker?.close(true);
    await this.#queue.close();
  }
}
