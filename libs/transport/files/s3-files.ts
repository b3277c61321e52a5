/**
 * Contents of files in an S3-compatible bucket, each named by its digest. An upload is buffered in a local file first: its
 * digest is known only at the end.
 */
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import { ConnectError } from '../ports/connect-error.ts';
import type { FileContents, StoredContent } from '../ports/tasks/file-contents.ts';
import { assertDigest, bufferUpload, removeStale } from './upload-buffer.ts';

export interface S3Options {
  readonly bucket: string;
  /** In front of every key. */
  readonly prefix: string;
  /** Address of a service other than AWS. */
  readonly endpoint: string | undefined;
  readonly region: string;
  /** Absent: the SDK uses its own sources (environment, files, instance role). */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  /** Where uploads are buffered. */
  readonly uploadDirectory: string;
}

type Sdk = typeof import('@aws-sdk/client-s3');
const NOT_FOUND = 404;

export class S3Files implements FileContents {
  readonly #o: S3Options;
  readonly #sdk: Sdk;
  readonly #client: S3Client;

  private constructor(options: S3Options, sdk: Sdk) {
    this.#o = options;
    this.#sdk = sdk;
    const { endpoint, region, credentials } = options;
    this.#client = new sdk.S3Client({
      region,
      ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
      ...(credentials === undefined ? {} : { credentials }),
      // Other services do not support trailing checksums; ChecksumSHA256 covers the content.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
  }

  /** The SDK is loaded only here: a process without a bucket saves its 20 MB. @throws ConnectError when the bucket cannot be used. */
  static async connect(options: S3Options): Promise<S3Files> {
    const sdk = await import('@aws-sdk/client-s3');
    const files = new S3Files(options, sdk);
    try {
      await files.#client.send(new sdk.HeadBucketCommand({ Bucket: options.bucket }));
    } catch (err) {
      const { name, message } = err as Error;
      throw new ConnectError(`the bucket cannot be used (${message === 'UnknownError' ? name : message})`);
    }
    return files;
  }

  async put(content: Readable): Promise<StoredContent> {
    const { path, digest, bytes } = await bufferUpload(this.#o.uploadDirectory, content);
    try {
      await this.#client.send(
        new this.#sdk.PutObjectCommand({
          ...this.#place(digest),
          Body: createReadStream(path),
          ContentLength: bytes,
          ContentType: 'application/octet-stream',
          ChecksumSHA256: Buffer.from(digest, 'hex').toString('base64'),
        }),
      );
      return { digest, bytes };
    } finally {
      await rm(path, { force: true });
    }
  }

  async open(digest: string): Promise<Readable | null> {
    const found = await orNull(this.#client.send(new this.#sdk.GetObjectCommand(this.#place(digest))));
    return (found?.Body as Readable | undefined) ?? null;
  }

  async has(digest: string): Promise<boolean> {
    return (await orNull(this.#client.send(new this.#sdk.HeadObjectCommand(this.#place(digest))))) !== null;
  }

  async drop(digest: string): Promise<void> {
    await this.#client.send(new this.#sdk.DeleteObjectCommand(this.#place(digest)));
  }

  tidy(): Promise<void> {
    return removeStale(this.#o.uploadDirectory);
  }

  #place(digest: string): { Bucket: string; Key: string } {
    return { Bucket: this.#o.bucket, Key: this.#o.prefix + assertDigest(digest) };
  }
}

async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (err) {
    const { $metadata: meta } = err as { $metadata?: { httpStatusCode?: number } };
    if (meta?.httpStatusCode === NOT_FOUND) return null;
    throw err;
  }
}
