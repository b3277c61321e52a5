/** Contents of files, sealed for their project: equal contents are not known to be equal any more, and each has a name of its own. */
import { createHash, type Hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Seals } from '../ports/sealing/seals.ts';
import type { FileContents, StoredContent } from '../ports/tasks/file-contents.ts';

/** All files of a project are one record; each has a key of its own by its salt. */
const RECORD = 'files';

export class SealedFiles implements FileContents {
  readonly #contents: FileContents;
  readonly #seals: Seals;

  constructor(contents: FileContents, seals: Seals) {
    this.#contents = contents;
    this.#seals = seals;
  }

  async put(content: Readable, project: string): Promise<StoredContent> {
    const sealer = await this.#seals.sealer(project, RECORD);
    if (sealer === null) return this.#contents.put(content, project);
    const hash = createHash('sha256');
    const { stream, bytes } = sealer.sealStream(hashed(content, hash));
    const { digest } = await this.#contents.put(stream, project);
    return { digest, bytes: bytes(), likeness: sealer.likeness(hash.digest()) };
  }

  async open(digest: string, project: string): Promise<Readable | null> {
    const content = await this.#contents.open(digest, project);
    return content === null ? null : this.#seals.openStream(project, RECORD, content);
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

async function* hashed(content: Readable, hash: Hash): AsyncGenerator<Buffer> {
  for await (const piece of content as AsyncIterable<Buffer>) {
    hash.update(piece);
    yield piece;
  }
}
