/** Bodies of requests in a directory that ingress nodes, workers and tasks processes share: `bodies/<region>/<id>`. */
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { assertToken, type BodyClaim } from '@penstock/protocol';
import { piecesOf } from '../ports/queue/body-pieces.ts';
import type { KeptBody, RequestBodies } from '../ports/queue/request-bodies.ts';
import { openChecked, readChecked } from './checked-body.ts';
import { isMissing } from './missing.ts';
import { bufferUpload, removeStale } from './upload-buffer.ts';

/** A body is written in one go: an older beginning was left behind by a process that died, ms. */
const STALE_MS = 3600_000;

export class DirectoryBodies implements RequestBodies {
  readonly #directory: string;

  /** @param directory of all file contents. */
  constructor(directory: string, region: string) {
    this.#directory = join(directory, 'bodies', assertToken(region));
  }

  /** Not flushed to the disk: what is promised is to survive the process, as for a message of the queue. */
  async put(id: string, body: Uint8Array | Readable): Promise<BodyClaim> {
    const to = this.#path(id);
    const content = body instanceof Readable ? body : Readable.from(piecesOf(body));
    const { path, digest, bytes } = await bufferUpload(this.#directory, content, { flush: false });
    await rename(path, to);
    return { digest, bytes };
  }

  read(id: string, claim: BodyClaim): Promise<Buffer> {
    return readChecked(() => this.#open(id, 1024 * 1024), claim);
  }

  open(id: string, claim: BodyClaim): Promise<Readable> {
    return openChecked(() => this.#open(id, 256 * 1024), claim);
  }

  async #open(id: string, pieceBytes: number): Promise<Readable | null> {
    try {
      return (await open(this.#path(id))).createReadStream({ highWaterMark: pieceBytes });
    } catch (err) {
      if (isMissing(err)) return null;
      throw err;
    }
  }

  async drop(id: string): Promise<void> {
    await rm(this.#path(id), { force: true });
  }

  async *list(): AsyncGenerator<KeptBody> {
    const names = await readdir(this.#directory).catch(() => []);
    for (const id of names.filter(name => !name.startsWith('.'))) {
      const found = await stat(join(this.#directory, id)).catch(() => null);
      if (found !== null) yield { id, storedAt: found.mtimeMs };
    }
  }

  tidy(): Promise<void> {
    return removeStale(this.#directory, STALE_MS);
  }

  #path(id: string): string {
    return join(this.#directory, assertToken(id));
  }
}
