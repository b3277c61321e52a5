import type { BatchRecord, FileRecord } from '@penstock/protocol';
import type { CreateOutcome, Idempotency } from '../runs/idempotency.ts';
import type { Page, PageOrder } from './paging.ts';

/** Files of a tenant, and the bytes of them together. */
export interface FileUse {
  readonly files: number;
  readonly bytes: number;
}

/** `going`: its content is being deleted. `full`: its tenant has as much as it may. Nothing was added in either case. */
export interface AddFileOutcome {
  readonly kind: 'added' | 'going' | 'full';
  /** What its tenant had without it. */
  readonly before: FileUse;
}

/** `full`: its tenant has as many open ones as it may. */
export type AddBatchOutcome = (CreateOutcome | { readonly kind: 'full' }) & {
  /** Open ones of its tenant without it. */
  readonly openBefore: number;
};

/**
 * Records of files and batches. Lists are in order of creation. A page continues after `after` even when that item was
 * deleted within the last hour, so that a client that pages misses nothing and sees nothing twice.
 */
export interface TaskRecords {
  /**
   * @param upload digest of the whole upload, by which {@link uploadedBefore} finds the file for ten minutes.
   * @param most that the tenant may have with it; what is absent has no bound.
   */
  addFile(file: FileRecord, upload: string | null, most?: Partial<FileUse>): Promise<AddFileOutcome>;
  fileUse(tenant: string): Promise<FileUse>;
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
  /** The batch holds the content of its input until it is over. @param mostOpen of its tenant, with it; null for no bound. */
  addBatch(
    batch: BatchRecord,
    idempotency: Idempotency | null,
    mostOpen?: number | null,
  ): Promise<AddBatchOutcome>;
  batch(id: string): Promise<BatchRecord | null>;
  batches(tenant: string, order: PageOrder): Promise<Page<BatchRecord> | null>;
  /** Ids of batches that were added and not yet passed to {@link forgetOpenBatch}. */
  openBatches(): Promise<string[]>;
  forgetOpenBatch(id: string): Promise<void>;
  /** @param nowS Unix seconds. @returns false for a batch that is final, or already past the status in `change`. */
  updateBatch(id: string, change: Partial<Omit<BatchRecord, 'at'>>, nowS: number): Promise<boolean>;
  close(): Promise<void>;
}
