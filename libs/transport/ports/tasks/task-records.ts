import type { BatchRecord, FileRecord } from '@penstock/protocol';
import type { CreateOutcome, Idempotency } from '../runs/idempotency.ts';
import type { Page, PageOrder } from './paging.ts';

/**
 * Records of files and batches. Lists are in order of creation. A page continues after `after` even when that item was
 * deleted within the last hour, so that a client that pages misses nothing and sees nothing twice.
 */
export interface TaskRecords {
  /**
   * @param upload digest of the whole upload, by which {@link uploadedBefore} finds the file for ten minutes.
   * @returns false when its content is being deleted: nothing was added then.
   */
  addFile(file: FileRecord, upload: string | null): Promise<boolean>;
  uploadedBefore(upload: string): Promise<FileRecord | null>;
  file(id: string): Promise<FileRecord | null>;
  /** Null when `after` is unknown. */
  files(tenant: string, purpose: string | null, order: PageOrder): Promise<Page<FileRecord> | null>;
  removeFile(file: FileRecord): Promise<void>;
  /** Ids of files that have expired. @param nowS Unix seconds. */
  endedFiles(nowS: number, most: number): Promise<string[]>;
  /**
   * Ends a holder's claim on a content.
   * @returns whether no claim is left: the content is marked as being deleted, and the caller has to delete it and then
   * call {@link contentGone}.
   */
  releaseContent(digest: string, holder: string): Promise<boolean>;
  contentGone(digest: string): Promise<void>;
  /** The batch holds the content of its input until it is over. */
  addBatch(batch: BatchRecord, idempotency: Idempotency | null): Promise<CreateOutcome>;
  batch(id: string): Promise<BatchRecord | null>;
  batches(tenant: string, order: PageOrder): Promise<Page<BatchRecord> | null>;
  /** Ids of batches that were added and not yet passed to {@link forgetOpenBatch}. */
  openBatches(): Promise<string[]>;
  forgetOpenBatch(id: string): Promise<void>;
  /** @param nowS Unix seconds. @returns false for a batch that is final, or already past the status in `change`. */
  updateBatch(id: string, change: Partial<Omit<BatchRecord, 'at'>>, nowS: number): Promise<boolean>;
  close(): Promise<void>;
}
