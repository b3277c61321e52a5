/** One S3-compatible bucket: the few calls that the stores of files and of bodies make. */
import type { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import { ConnectError } from '../ports/connect-error.ts';
import type { StoredContent } from '../ports/tasks/file-contents.ts';
import {
  answered,
  asBucketError,
  boundAnswers,
  handlerLimits,
  inOurWords,
  WITH_CONTENT,
} from './s3-answers.ts';

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
  /** What is asked for with each object; absent: what the bucket does by itself. */
  readonly encryption?:
    | {
        readonly algorithm: 'AES256' | 'aws:kms';
        /** Absent: the account's own for S3. */
        readonly kmsKey?: string | undefined;
      }
    | undefined;
  /** Where uploads are buffered. */
  readonly uploadDirectory: string;
  /** How long it may be silent, ms; for tests. */
  readonly idleMs?: number;
}

type Sdk = typeof import('@aws-sdk/client-s3');
/** Of a list: keys, and pages that they may come in. */
const MOST_LISTED = 1_000_000;
const MOST_PAGES = 10_000;

/** Keys are without the prefix. */
export class S3Bucket {
  readonly #o: S3Options;
  readonly #sdk: Sdk;
  readonly #client: S3Client;

  private constructor(options: S3Options, sdk: Sdk) {
    this.#o = options;
    this.#sdk = sdk;
    const { endpoint, ca, region, credentials, idleMs } = options;
    this.#client = new sdk.S3Client({
      region,
      ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
      ...(credentials === undefined ? {} : { credentials }),
      requestHandler: {
        ...handlerLimits(idleMs),
        ...(ca === undefined ? {} : { httpsAgent: { ca, keepAlive: true } }),
      },
      // Other services do not support trailing checksums; ChecksumSHA256 covers the content.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
    boundAnswers(this.#client, idleMs);
  }

  /** The SDK is loaded only here: a process without a bucket saves its 20 MB. @throws ConnectError when the bucket cannot be used. */
  static async connect(options: S3Options): Promise<S3Bucket> {
    const { encryption } = options;
    if (encryption?.algorithm === 'AES256' && encryption.kmsKey !== undefined)
      throw new ConnectError(
        'PENSTOCK_FILES_S3_SSE=AES256 takes no key of KMS: leave PENSTOCK_FILES_S3_SSE_KMS_KEY out, or set aws:kms',
      );
    const sdk = await import('@aws-sdk/client-s3');
    const bucket = new S3Bucket(options, sdk);
    try {
      await bucket.#client.send(new sdk.HeadBucketCommand({ Bucket: options.bucket }));
    } catch (err) {
      throw new ConnectError(`the bucket cannot be used: ${asBucketError(err).message}`);
    }
    return bucket;
  }

  get uploadDirectory(): string {
    return this.#o.uploadDirectory;
  }

  async put(key: string, body: Uint8Array | Readable, { digest, bytes }: StoredContent): Promise<void> {
    const command = new this.#sdk.PutObjectCommand({
      ...this.#place(key),
      Body: body,
      ContentLength: bytes,
      ContentType: 'application/octet-stream',
      ChecksumSHA256: Buffer.from(digest, 'hex').toString('base64'),
      ...this.#encryption(),
    });
    await inOurWords(this.#client.send(command, WITH_CONTENT));
  }

  #encryption() {
    const { encryption } = this.#o;
    if (encryption === undefined) return {};
    const { algorithm, kmsKey } = encryption;
    return {
      ServerSideEncryption: algorithm,
      ...(kmsKey === undefined ? {} : { SSEKMSKeyId: kmsKey }),
    };
  }

  /** Null for an unknown key. */
  async open(key: string): Promise<Readable | null> {
    const found = await answered(this.#client.send(new this.#sdk.GetObjectCommand(this.#place(key))));
    return (found?.Body as Readable | undefined) ?? null;
  }

  async has(key: string): Promise<boolean> {
    return (await answered(this.#client.send(new this.#sdk.HeadObjectCommand(this.#place(key))))) !== null;
  }

  async drop(key: string): Promise<void> {
    await answered(this.#client.send(new this.#sdk.DeleteObjectCommand(this.#place(key))));
  }

  /** A list that does not end, or goes in a circle, is left: the next one begins anew. */
  async *list(folder: string): AsyncGenerator<{ readonly key: string; readonly storedAt: number }> {
    const { bucket: Bucket, prefix } = this.#o;
    const Prefix = prefix + folder;
    let token: string | undefined;
    let listed = 0;
    for (let pages = 0; pages < MOST_PAGES && listed < MOST_LISTED; pages++) {
      const command = new this.#sdk.ListObjectsV2Command({ Bucket, Prefix, ContinuationToken: token });
      const page = await inOurWords(this.#client.send(command));
      for (const { Key: key = '', LastModified: at } of page.Contents ?? []) {
        listed++;
        // What was not asked for is none of ours.
        if (key.startsWith(Prefix)) yield { key: key.slice(prefix.length), storedAt: at?.getTime() ?? 0 };
      }
      const next = page.NextContinuationToken;
      if (next === undefined || next === token) return;
      token = next;
    }
  }

  #place(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#o.bucket, Key: this.#o.prefix + key };
  }
}
