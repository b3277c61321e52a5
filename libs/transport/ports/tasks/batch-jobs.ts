/** `later`: nothing was done, since the batch has no slot now. */
export type BatchJobEnd = { readonly kind: 'done' } | { readonly kind: 'later'; readonly delayMs: number };

/**
 * Batches to be processed. Promises: each added batch is run until `run` resolves, again after a crash. Does *not* promise
 * that only one process runs it at a time.
 */
export interface BatchJobs {
  /** Does nothing for a batch that was added and is not finished. */
  add(batchId: string): Promise<void>;
  /** @param failed called when a batch will be tried again, or, with null, when the job queue itself fails. */
  work(
    run: (batchId: string) => Promise<BatchJobEnd>,
    failed: (batchId: string | null, err: Error) => void,
  ): void;
  close(): Promise<void>;
}
