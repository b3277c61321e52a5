import type { Readable } from 'node:stream';

export interface StoredContent {
  /** SHA-256, hex. */
  readonly digest: string;
  readonly bytes: number;
  /** Alike for equal contents of one project on one day; absent where the digest is. */
  readonly likeness?: string;
}

/**
 * Contents of files, each under the digest of its bytes. Promises: once `put` has resolved, the content is stored durably
 * and completely; once it has rejected, nothing of it is left.
 */
export interface FileContents {
  /** @param project whose it is. */
  put(content: Readable, project: string): Promise<StoredContent>;
  /** Null for an unknown digest. */
  open(digest: string, project: string): Promise<Readable | null>;
  has(digest: string): Promise<boolean>;
  drop(digest: string): Promise<void>;
  /** Removes what processes left behind that died during a `put`. */
  tidy(): Promise<void>;
}
