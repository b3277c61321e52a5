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
  /** When it is forgotten by itself; null for never. */
  readonly expiresAt: number | null;
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

/** Tokens of all answered lines together. */
export interface BatchUsage {
  readonly input: number;
  readonly cached: number;
  readonly output: number;
  readonly reasoning: number;
  readonly total: number;
}

export interface BatchRecord {
  /** `batch_…` */
  readonly id: string;
  readonly tenant: string;
  /** Path, as `/v1/chat/completions`. */
  readonly endpoint: string;
  readonly inputFileId: string;
  /** Content of the input file: it stays until the batch is over, even if the file is deleted. */
  readonly inputDigest: string;
  readonly status: BatchStatus;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly metadata: Record<string, string> | null;
  readonly errors: readonly BatchError[];
  /** Lifetime of the output files, s; null for ever. */
  readonly outputLifeS: number | null;
  /** Set when every line asks for the same one. */
  readonly model: string | null;
  readonly usage: BatchUsage | null;
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  /** When each status was entered. */
  readonly at: Readonly<Partial<Record<BatchStatus, number>>>;
}

export const fileKey = (id: string) => `penstock:file:${assertToken(id)}`;
/** Files of a tenant, or those of one purpose, by when they came (µs). */
export const fileListKey = (tenant: string, purpose = 'all') =>
  `penstock:files:${assertToken(tenant)}:${assertToken(purpose)}`;
/** Where deleted files stood in the lists: a reader who pages may stand on one. */
export const filesGoneKey = (tenant: string) => `penstock:files-gone:${assertToken(tenant)}`;
/** Files that end by themselves, by when (Unix s). */
export const FILE_ENDS_KEY = 'penstock:file-ends';
/** Set of what holds one content: ids of files and of batches that are not over. */
export const contentKey = (digest: string) => `penstock:content:${digest}`;
/** There while a content that nothing holds is being deleted. */
export const contentGoingKey = (digest: string) => `penstock:content-going:${digest}`;
/** Id of the file that an upload made, for the client's next try after a lost answer. */
export const uploadKey = (digest: string) => `penstock:upload:${digest}`;
export const batchKey = (id: string) => `penstock:batch:${assertToken(id)}`;
export const batchListKey = (tenant: string) => `penstock:batches:${assertToken(tenant)}`;
/** Batches that may still need a tasks process. */
export const OPEN_BATCHES_KEY = 'penstock:batches-open';

/** The stored run of one line. */
export function lineRunId(batchId: string, line: number): string {
  return `${batchId}-${line}`;
}

/** Id of an output file: the same however often the batch is finished. */
export function outputFileId(batchId: string, what: 'output' | 'error'): string {
  return `file-${batchId.slice('batch_'.length)}${what}`;
}

export function toFileObject(file: FileRecord): object {
  const { id, bytes, createdAt, filename, purpose, expiresAt } = file;
  return {
    id,
    object: 'file',
    bytes,
    created_at: createdAt,
    filename,
    purpose,
    status: 'processed',
    expires_at: expiresAt,
  };
}

export function toBatchObject(batch: BatchRecord): object {
  const { at, errors, model, usage } = batch;
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
    ...(model === null ? {} : { model }),
    ...(usage === null ? {} : { usage: toUsage(usage) }),
  };
}

function toUsage(usage: BatchUsage): object {
  return {
    input_tokens: usage.input,
    input_tokens_details: { cached_tokens: usage.cached },
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: usage.total,
  };
}

export function isBatchFinal(status: BatchStatus): boolean {
  return status === 'failed' || status === 'completed' || status === 'expired' || status === 'cancelled';
}
