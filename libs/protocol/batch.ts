/** Files and batches: what is remembered of them, their keys, and OpenAI's shapes. Times are Unix seconds, as on the wire. */
import { assertToken } from './names.ts';

export interface FileRecord {
  /** `file-…` */
  readonly id: string;
  readonly tenant: string;
  /** SHA-256 of the content: where it lies. */
  readonly digest: string;
  readonly bytes: number;
  readonly createdAt: number;
  readonly filename: string;
  readonly purpose: string;
}

export const FILE_PURPOSES = ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals'] as const;

export const BATCH_STATUSES = [
  'validating',
  'failed',
  'in_progress',
  'finalizing',
  'completed',
  'expired',
  'cancelling',
  'cancelled',
] as const;
export type BatchStatus = (typeof BATCH_STATUSES)[number];

/** A mistake in an input file. */
export interface BatchError {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
  /** 1 for the first; null where it is about the whole file. */
  readonly line: number | null;
}

export interface BatchRecord {
  /** `batch_…` */
  readonly id: string;
  readonly tenant: string;
  /** Path, as `/v1/chat/completions`. */
  readonly endpoint: string;
  readonly inputFileId: string;
  readonly status: BatchStatus;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly metadata: Record<string, string> | null;
  readonly errors: readonly BatchError[];
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  /** When each status was entered. */
  readonly at: Readonly<Partial<Record<BatchStatus, number>>>;
}

export const fileKey = (id: string) => `penstock:file:${assertToken(id)}`;
export const fileListKey = (tenant: string) => `penstock:files:${assertToken(tenant)}`;
/** Set of the files with one content. */
export const contentKey = (digest: string) => `penstock:content:${digest}`;
export const batchKey = (id: string) => `penstock:batch:${assertToken(id)}`;
export const batchListKey = (tenant: string) => `penstock:batches:${assertToken(tenant)}`;

/** The stored run of one line. */
export function lineRunId(batchId: string, line: number): string {
  return `${batchId}-${line}`;
}

export function toFileObject(file: FileRecord): object {
  const { id, bytes, createdAt, filename, purpose } = file;
  return {
    id,
    object: 'file',
    bytes,
    created_at: createdAt,
    filename,
    purpose,
    status: 'processed',
    expires_at: null,
  };
}

export function toBatchObject(batch: BatchRecord): object {
  const { at, errors } = batch;
  return {
    id: batch.id,
    object: 'batch',
    endpoint: batch.endpoint,
    errors: errors.length === 0 ? null : { object: 'list', data: errors },
    input_file_id: batch.inputFileId,
    completion_window: '24h',
    status: batch.status,
    output_file_id: batch.outputFileId,
    error_file_id: batch.errorFileId,
    created_at: batch.createdAt,
    in_progress_at: at.in_progress ?? null,
    expires_at: batch.expiresAt,
    finalizing_at: at.finalizing ?? null,
    completed_at: at.completed ?? null,
    failed_at: at.failed ?? null,
    expired_at: at.expired ?? null,
    cancelling_at: at.cancelling ?? null,
    cancelled_at: at.cancelled ?? null,
    request_counts: { total: batch.total, completed: batch.completed, failed: batch.failed },
    metadata: batch.metadata,
  };
}

export function isBatchFinal(status: BatchStatus): boolean {
  return status === 'failed' || status === 'completed' || status === 'expired' || status === 'cancelled';
}
