import type { Readable } from 'node:stream';

export interface StoredContent {
  /** SHA-256, hex. */
  readonly digest: string;
  readonly bytes: number;
}

/**
 * Contents of files, each under the digest of its bytes. Promises: once `put` has resolved, the content is stored durably
 * and completely; once it has rejected, nothing of it is left.
 */
export interface FileContents {
  put(content: Readable): Promise<StoredContent>;
  /** Null for an unknown digest. */
  open(digest: string): Promise<Readable | null>;
  has(digest: string): Promise<boolean>;
  drop(digest: string): Promise<void>;
  /** Removes what processes left behind that died during a `put`. */
  tidy(): Promise<void>;
}
