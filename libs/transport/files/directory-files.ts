/** Contents of files in a directory that ingress and tasks share, each named by its digest. */
import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { FileContents, StoredContent } from '../ports/tasks/file-contents.ts';
import { isMissing } from './missing.ts';
import { assertDigest, bufferUpload, removeStale } from './upload-buffer.ts';

export class DirectoryFiles implements FileContents {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async put(content: Readable): Promise<StoredContent> {
    const { path, digest, bytes } = await bufferUpload(this.#directory, content);
    await rename(path, this.#path(digest));
    await this.#syncDirectory();
    return { digest, bytes };
  }

  /** Without this a power cut may lose the new name, and the content with it. */
  async #syncDirectory(): Promise<void> {
    const directory = await open(this.#directory);
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }

  async open(digest: string): Promise<Readable | null> {
    try {
      return (await open(this.#path(digest))).createReadStream();
    } catch (err) {
      if (isMissing(err)) return null;
      throw err;
    }
  }

  async has(digest: string): Promise<boolean> {
    try {
      return (await stat(this.#path(digest))).isFile();
    } catch (err) {
      if (isMissing(err)) return false;
      throw err;
    }
  }

  async drop(digest: string): Promise<void> {
    await rm(this.#path(digest), { force: true });
  }

  tidy(): Promise<void> {
    return removeStale(this.#directory);
  }

  #path(digest: string): string {
    return join(this.#directory, assertDigest(digest));
  }
}
