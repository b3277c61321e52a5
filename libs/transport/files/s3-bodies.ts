/** Bodies of requests in an S3-compatible bucket, under `bodies/<region>/<id>` behind the prefix. */
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { assertToken, type BodyClaim, isToken } from '@penstock/protocol';
import type { KeptBody, RequestBodies } from '../ports/queue/request-bodies.ts';
import { claimOf, openChecked, readChecked } from './checked-body.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { bufferUpload, removeStale } from './upload-buffer.ts';

export class S3Bodies implements RequestBodies {
  readonly #bucket: S3Bucket;
  readonly #folder: string;

  constructor(bucket: S3Bucket, region: string) {
    this.#bucket = bucket;
    this.#folder = `bodies/${assertToken(region)}/`;
  }

  async put(id: string, body: Uint8Array | Readable): Promise<BodyClaim> {
    const key = this.#key(id);
    if (body instanceof Readable) return this.#putStream(key, body);
    const claim = await claimOf(body);
    await this.#bucket.put(key, body, claim);
    return claim;
  }

  /** Its length has to be known beforehand. */
  async #putStream(key: string, body: Readable): Promise<BodyClaim> {
    const { path, digest, bytes } = await bufferUpload(this.#bucket.uploadDirectory, body);
    try {
      await this.#bucket.put(key, createReadStream(path), { digest, bytes });
      return { digest, bytes };
    } finally {
      await rm(path, { force: true });
    }
  }

  read(id: string, claim: BodyClaim): Promise<Buffer> {
    return readChecked(() => this.#bucket.open(this.#key(id)), claim);
  }

  open(id: string, claim: BodyClaim): Promise<Readable> {
    return openChecked(() => this.#bucket.open(this.#key(id)), claim);
  }

  drop(id: string): Promise<void> {
    return this.#bucket.drop(this.#key(id));
  }

  async *list(): AsyncGenerator<KeptBody> {
    for await (const { key, storedAt } of this.#bucket.list(this.#folder)) {
      const id = key.slice(this.#folder.length);
      if (isToken(id)) yield { id, storedAt };
    }
  }

  tidy(): Promise<void> {
    return removeStale(this.#bucket.uploadDirectory);
  }

  #key(id: string): string {
    return this.#folder + assertToken(id);
  }
}
