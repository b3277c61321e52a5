/** One S3-compatible bucket: the few calls that the stores of files and of bodies make. */
import type { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import { ConnectError } from '../ports/connect-error.ts';
import type { StoredContent } from '../ports/tasks/file-contents.ts';

export interface S3Options {
  readonly bucket: string;
  /** In front of every key. */
  readonly prefix: string;
  /** Address of a service other than AWS. */
  readonly endpoint: string | undefined;
  /** Authorities that sign its certificate, PEM; absent: the public ones. */
  readonly ca?: string | undefined;
  readonly region: string;
  /** Absent: the SDK uses its own sources (environment, files, instance role). */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  /** Where uploads are buffered. */
  readonly uploadDirectory: string;
}

type Sdk = typeof import('@aws-sdk/client-s3');
const NOT_FOUND = 404;

/** Keys are without the prefix. */
export class S3Bucket {
  readonly #o: S3Options;
  readonly #sdk: Sdk;
  readonly #client: S3Client;

  private constructor(options: S3Options, sdk: Sdk) {
    this.#o = options;
    this.#sdk = sdk;
    const { endpoint, ca, region, credentials } = options;
    this.#client = new sdk.S3Client({
      region,
      ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
      ...(credentials === undefined ? {} : { credentials }),
      ...(ca === undefined ? {} : { requestHandler: { httpsAgent: { ca, keepAlive: true } } }),
      // Other services do not support trailing checksums; ChecksumSHA256 covers the content.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
  }

  /** The SDK is loaded only here: a process without a bucket saves its 20 MB. @throws ConnectError when the bucket cannot be used. */
  static async connect(options: S3Options): Promise<S3Bucket> {
    const sdk = await import('@aws-sdk/client-s3');
    const bucket = new S3Bucket(options, sdk);
    try {
      await bucket.#client.send(new sdk.HeadBucketCommand({ Bucket: options.bucket }));
    } catch (err) {
      const { name, message } = err as Error;
      throw new ConnectError(`the bucket cannot be used (${message === 'UnknownError' ? name : message})`);
    }
    return bucket;
  }

  get uploadDirectory(): string {
    return this.#o.uploadDirectory;
  }

  async put(key: string, body: Uint8Array | Readable, { digest, bytes }: StoredContent): Promise<void> {
    await this.#client.send(
      new this.#sdk.PutObjectCommand({
        ...this.#place(key),
        Body: body,
        ContentLength: bytes,
        ContentType: 'application/octet-stream',
        ChecksumSHA256: Buffer.from(digest, 'hex').toString('base64'),
      }),
    );
  }

  /** Null for an unknown key. */
  async open(key: string): Promise<Readable | null> {
    const found = await orNull(this.#client.send(new this.#sdk.GetObjectCommand(this.#place(key))));
    return (found?.Body as Readable | undefined) ?? null;
  }

  async has(key: string): Promise<boolean> {
    return (await orNull(this.#client.send(new this.#sdk.HeadObjectCommand(this.#place(key))))) !== null;
  }

  async drop(key: string): Promise<void> {
    await this.#client.send(new this.#sdk.DeleteObjectCommand(this.#place(key)));
  }

  async *list(folder: string): AsyncGenerator<{ readonly key: string; readonly storedAt: number }> {
    const { bucket, prefix } = this.#o;
    let token: string | undefined;
    do {
      const page = await this.#client.send(
        new this.#sdk.ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix + folder,
          ContinuationToken: token,
        }),
      );
      for (const { Key: key = '', LastModified: at } of page.Contents ?? [])
        yield { key: key.slice(prefix.length), storedAt: at?.getTime() ?? 0 };
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  #place(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#o.bucket, Key: this.#o.prefix + key };
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
