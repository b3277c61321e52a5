/** An upload is written to a file of its own first: its digest, and so its name, is known only at the end. */
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { StoredContent } from '../ports/tasks/file-contents.ts';

const PREFIX = '.upload-';
/** An older file was left behind by a process that died, ms. */
const STALE_MS = 24 * 3600 * 1000;

export interface BufferedUpload extends StoredContent {
  readonly path: string;
}

/**
 * Writes a stream to a new file, and flushes it to the disk unless told otherwise.
 * @throws what the stream or the disk throws; then nothing is left.
 */
export async function bufferUpload(
  directory: string,
  content: Readable,
  { flush = true } = {},
): Promise<BufferedUpload> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, PREFIX + randomUUID());
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
    await pipeline(content, measure, createWriteStream(path, { flush }));
    return { path, digest: hash.digest('hex'), bytes };
  } catch (err) {
    await rm(path, { force: true });
    throw err;
  }
}

/** Removes what dead processes left behind in the directory. */
export async function removeStale(directory: string, staleMs = STALE_MS): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names.filter(each => each.startsWith(PREFIX))) {
    const path = join(directory, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    if (Date.now() - mtimeMs > staleMs) await rm(path, { force: true });
  }
}

/** Refuses anything but a digest: it becomes part of a path. A failure is a bug, not bad input. */
export function assertDigest(digest: string): string {
  if (!/^[0-9a-f]{64}$/.test(digest)) throw new TypeError('not a digest');
  return digest;
}
