/** Files: their record, their keys, and OpenAI's shape. Times are Unix seconds, as on the wire. */
import { assertToken } from '../wire/token.ts';

export interface FileRecord {
  /** `file-…` */
  readonly id: string;
  readonly tenant: string;
  /** SHA-256 of the content, under which it is stored. */
  readonly digest: string;
  readonly bytes: number;
  /** Its content is sealed for it alone. Absent in those of before, and of what is in the clear. */
  readonly isBound?: true;
  readonly createdAt: number;
  readonly filename: string;
  readonly purpose: string;
  /** When it expires; null for never. */
  readonly expiresAt: number | null;
}

export const FILE_PURPOSES = ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals'] as const;

export const fileKey = (id: string) => `penstock:file:${assertToken(id)}`;
/** Files of a tenant, or those of one purpose, by time of creation (µs). */
export const fileListKey = (tenant: string, purpose = 'all') =>
  `penstock:files:${assertToken(tenant)}:${assertToken(purpose)}`;
/** Redis hash of how many files a tenant has (`files`) and how many bytes they have together (`bytes`). Where `files` is another number than the list has, both are counted anew. */
export const fileUseKey = (tenant: string) => `penstock:file-use:${assertToken(tenant)}`;
/** Positions of deleted files in the lists, because one may be the `after` cursor of a client that is paging. */
export const filesGoneKey = (tenant: string) => `penstock:files-gone:${assertToken(tenant)}`;
/** Files that expire, by time of expiry (Unix s). */
export const FILE_ENDS_KEY = 'penstock:file-ends';
/** Set of the files and unfinished batches that use one content, by id. */
export const contentKey = (digest: string) => `penstock:content:${digest}`;
/** Exists while a content that nothing uses any more is being deleted. */
export const contentGoingKey = (digest: string) => `penstock:content-going:${digest}`;
/** Id of the file that an upload created, for a client that repeats the upload because it lost the answer. */
export const uploadKey = (digest: string) => `penstock:upload:${digest}`;

/** Id of an output file: the same however often the batch is finalized. */
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
