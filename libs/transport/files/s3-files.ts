/**
 * Contents of files in an S3-compatible bucket, each named by its digest. An upload is buffered in a local file first: its
 * digest is known only at the end.
 */
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { FileContents, StoredContent } from '../ports/tasks/file-contents.ts';
import { openNamed } from './checked-body.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { assertDigest, bufferUpload, removeStale } from './upload-buffer.ts';

export class S3Files implements FileContents {
  readonly #bucket: S3Bucket;

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket;
  }

  async put(content: Readable): Promise<StoredContent> {
    const { path, digest, bytes } = await bufferUpload(this.#bucket.uploadDirectory, content);
    try {
      await this.#bucket.put(digest, createReadStream(path), { digest, bytes });
      return { digest, bytes };
    } finally {
      await rm(path, { force: true });
    }
  }

  open(digest: string): Promise<Readable | null> {
    return openNamed(() => this.#bucket.open(assertDigest(digest)), digest);
  }

  has(digest: string): Promise<boolean> {
    return this.#bucket.has(assertDigest(digest));
  }

  drop(digest: string): Promise<void> {
    return this.#bucket.drop(assertDigest(digest));
  }

  tidy(): Promise<void> {
    return removeStale(this.#bucket.uploadDirectory);
  }
}
