/** Batches: their record, their keys, and OpenAI's shape. Times are Unix seconds, as on the wire. */
import type { Project } from '../access/project.ts';
import { type TokenCounts, toResponsesUsage } from '../openai/usage.ts';
import { assertToken } from '../wire/token.ts';

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
  /** What the key that made it may ask for; absent in batches of older versions, and for all. */
  readonly permissions?: {
    readonly scopes: readonly string[] | null;
    readonly models: Project['models'];
  };
  /** Path, as `/v1/chat/completions`. */
  readonly endpoint: string;
  readonly inputFileId: string;
  /** Content of the input file: it stays until the batch is over, even if the file is deleted. */
  readonly inputDigest: string;
  /** See {@link FileRecord.isBound}. */
  readonly inputIsBound?: true;
  readonly status: BatchStatus;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly metadata: Record<string, string> | null;
  readonly errors: readonly BatchError[];
  /** Lifetime of the output files, s; null for no limit. */
  readonly outputLifeS: number | null;
  /** Set when every line asks for the same one. */
  readonly model: string | null;
  /** Tokens of all answered lines together. */
  readonly usage: TokenCounts | null;
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  /** When each status was entered. */
  readonly at: Readonly<Partial<Record<BatchStatus, number>>>;
}

export const batchKey = (id: string) => `penstock:batch:${assertToken(id)}`;
export const batchListKey = (tenant: string) => `penstock:batches:${assertToken(tenant)}`;
/** Batches that may still need a tasks process. */
export const OPEN_BATCHES_KEY = 'penstock:batches-open';
/** Sorted set: batches of a tenant that are not final, by when their time is over (Unix s). */
export const openBatchesKey = (tenant: string) => `penstock:open-batches:${assertToken(tenant)}`;

/** The stored run of one line. */
export function lineRunId(batchId: string, line: number): string {
  return `${batchId}-${line}`;
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
    ...(usage === null ? {} : { usage: toResponsesUsage(usage) }),
  };
}

export function isBatchFinal(status: BatchStatus): boolean {
  return status === 'failed' || status === 'completed' || status === 'expired' || status === 'cancelled';
}
