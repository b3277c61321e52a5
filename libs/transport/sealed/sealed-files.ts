/** Contents of files, each sealed for its file: equal contents are not known to be equal any more, and each has a name of its own. */
import { createHash, type Hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Seals } from '../ports/sealing/seals.ts';
import type { FileContents, FileOwner, StoredContent } from '../ports/tasks/file-contents.ts';

/** Of all files of a project: tells equal ones, and what was sealed before each was bound to its file. */
const ALL_FILES = 'files';

export class SealedFiles implements FileContents {
  readonly #contents: FileContents;
  readonly #seals: Seals;

  constructor(contents: FileContents, seals: Seals) {
    this.#contents = contents;
    this.#seals = seals;
  }

  async put(content: Readable, of: FileOwner): Promise<StoredContent> {
    const sealer = await this.#seals.sealer(of.project, recordOf(of));
    const ofAll = await this.#seals.sealer(of.project, ALL_FILES);
    if (sealer === null || ofAll === null) return this.#contents.put(content, of);
    const hash = createHash('sha256');
    const { stream, bytes } = sealer.sealStream(hashed(content, hash));
    const { digest } = await this.#contents.put(stream, of);
    return { digest, bytes: bytes(), likeness: ofAll.likeness(hash.digest()), isBound: true };
  }

  async open(digest: string, of: FileOwner): Promise<Readable | null> {
    const content = await this.#contents.open(digest, of);
    if (content === null) return null;
    const { project, isBound = false } = of;
    const records = isBound ? [recordOf(of)] : [recordOf(of), ALL_FILES];
    return this.#seals.openStream(project, records, content, isBound);
  }

  has(digest: string): Promise<boolean> {
    return this.#contents.has(digest);
  }

  drop(digest: string): Promise<void> {
    return this.#contents.drop(digest);
  }

  tidy(): Promise<void> {
    return this.#contents.tidy();
  }
}

function recordOf({ file }: FileOwner): string {
  return `file:${file}`;
}

async function* hashed(content: Readable, hash: Hash): AsyncGenerator<Buffer> {
  for await (const piece of content as AsyncIterable<Buffer>) {
    hash.update(piece);
    yield piece;
  }
}
