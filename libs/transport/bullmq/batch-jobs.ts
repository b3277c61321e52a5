/** Batches to be worked on, as BullMQ jobs: a batch whose process died is taken up again by another one. */
import { Queue, Worker } from 'bullmq';
import type { BatchJobs } from '../ports/tasks/batch-jobs.ts';

const NAME = 'penstock-batches';
/** A batch that fails for a reason of ours is tried again this often; after that it waits to be added anew. */
const ATTEMPTS = 100;
const BACKOFF_MS = 5000;
/** How long a process may be silent before its batches are taken up by another one, ms. */
const LOCK_MS = 8000;
/** Whole milliseconds: Redis refuses others. */
const STALLED_MS = 2000;
/** Batches at once in a process. Most of their time they wait, and who is not among them is neither checked nor cancelled. */
const CONCURRENCY = 64;

export class BullBatches implements BatchJobs {
  readonly #connection: { url: string; maxRetriesPerRequest: null };
  readonly #queue: Queue;
  #worker: Worker | null = null;

  constructor(url: string) {
    this.#connection = { url, maxRetriesPerRequest: null };
    this.#queue = new Queue(NAME, { connection: this.#connection });
    this.#queue.on('error', () => {});
  }

  async add(batchId: string): Promise<void> {
    await this.#queue.add(
      'run',
      { batchId },
      {
        jobId: batchId,
        attempts: ATTEMPTS,
        backoff: { type: 'fixed', delay: BACKOFF_MS },
        removeOnComplete: true,
        // One that is kept would be in the way of adding it anew.
        removeOnFail: true,
      },
    );
  }

  work(run: (batchId: string) => Promise<void>, failed: (batchId: string | null, err: Error) => void): void {
    this.#worker = new Worker(NAME, job => run((job.data as { batchId: string }).batchId), {
      connection: this.#connection,
      concurrency: CONCURRENCY,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_MS,
      maxStalledCount: 1000,
    });
    this.#worker.on('failed', (job, err) => failed(job?.id ?? null, err));
    this.#worker.on('error', err => failed(null, err));
  }

  async close(): Promise<void> {
    // A batch under way is taken up again elsewhere: waiting for its end could take a day.
    await this.#worker?.close(true);
    await this.#queue.close();
  }
}
