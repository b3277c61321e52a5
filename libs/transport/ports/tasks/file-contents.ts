import type { Readable } from 'node:stream';

export interface StoredContent {
  /** SHA-256, hex. */
  readonly digest: string;
  readonly bytes: number;
  /** Alike for equal contents of one project on one day; absent where the digest is. */
  readonly likeness?: string;
  /** Sealed for the file that it was put for: opens as no other's. */
  readonly isBound?: true;
}

/** The file that a content belongs to, and whose that is. */
export interface FileOwner {
  readonly project: string;
  /** `file-…` */
  readonly file: string;
  /** As it was put: nothing else is taken in its place then. */
  readonly isBound?: boolean | undefined;
}

/**
 * Contents of files, each under the digest of its bytes. Promises: once `put` has resolved, the content is stored durably
 * and completely; once it has rejected, nothing of it is left.
 */
export interface FileContents {
  put(content: Readable, of: FileOwner): Promise<StoredContent>;
  /** Null for an unknown digest. @throws SealError where it belongs to another file. */
  open(digest: string, of: FileOwner): Promise<Readable | null>;
  has(digest: string): Promise<boolean>;
  drop(digest: string): Promise<void>;
  /** Removes what processes left behind that died during a `put`. */
  tidy(): Promise<void>;
}
