/** Files: their record, their keys, and OpenAI's shape. Times are Unix seconds, as on the wire. */
import { assertToken } from '../wire/token.ts';

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
