/** Where public traces lie and how they are read. They are never part of the repository. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { TraceError } from './trace.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Directories that may hold traces; the first that has the file wins. */
function directories(env: Environment): string[] {
  const root = resolve(import.meta.dirname, '../..');
  const own = env['PENSTOCK_TRACES'];
  return own ? [own] : [resolve(root, 'traces'), resolve(root, '../shared/traces')];
}

/**
 * The text of a gzipped trace; null if there is no such file.
 * @throws TraceError when the user's own directory lacks it, or the file is not gzip.
 */
export function readTraceFile(name: string, env: Environment): { path: string; text: string } | null {
  const path = directories(env)
    .map(directory => resolve(directory, name))
    .find(existsSync);
  if (path === undefined && env['PENSTOCK_TRACES'])
    throw new TraceError(`PENSTOCK_TRACES has no ${name}; unset it to use generated requests`);
  if (path === undefined) return null;
  try {
    return { path, text: gunzipSync(readFileSync(path)).toString('utf8') };
  } catch {
    throw new TraceError(`${path}: not a gzip file; fetch it again`);
  }
}

/**
 * What `read` makes of each line of a trace that is not blank, in their order.
 * @param read gets the line's place, `file:line`, for its errors.
 * @throws TraceError where there is no line.
 */
export function readTraceLines<T>(text: string, file: string, read: (line: string, place: string) => T): T[] {
  const made: T[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries())
    if (line.trim() !== '') made.push(read(line, `${file}:${i + 1}`));
  if (made.length === 0) throw new TraceError(`${file}: no requests in it`);
  return made;
}
