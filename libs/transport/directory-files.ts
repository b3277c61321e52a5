/** Contents of files in a directory that ingress and tasks share, each under the digest of what is in it. */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { FileContents, StoredContent } from './ports.ts';

export class DirectoryFiles implements FileContents {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async put(content: Readable): Promise<StoredContent> {
    await mkdir(this.#directory, { recursive: true });
    const unfinished = join(this.#directory, `.${randomUUID()}`);
    const hash = createHash('sha256');
    let bytes = 0;
    const measure = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        bytes += chunk.length;
        done(null, chunk);
      },
    });
    try {
      await pipeline(content, measure, createWriteStream(unfinished, { flush: true }));
      const digest = hash.digest('hex');
      await rename(unfinished, this.#path(digest));
      return { digest, bytes };
    } catch (err) {
      await rm(unfinished, { force: true });
      throw err;
    }
  }

  open(digest: string): Readable {
    return createReadStream(this.#path(digest));
  }

  async drop(digest: string): Promise<void> {
    await rm(this.#path(digest), { force: true });
  }

  #path(digest: string): string {
    if (!/^[0-9a-f]{64}$/.test(digest)) throw new TypeError('not a digest');
    return join(this.#directory, digest);
  }
}
