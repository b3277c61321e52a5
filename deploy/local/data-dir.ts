/** The data directory of a local stack: used by one process at a time, and holds the generated keys. */
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** The start failed; the message is one line that names the remedy. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** Creates and locks the directory. @returns its path, and a function that unlocks it. @throws StartError */
export function takeDataDir(dir: string): { path: string; release: () => void } {
  const path = resolve(dir);
  try {
    makeDirectory(path);
    accessSync(path, constants.W_OK);
  } catch {
    throw new StartError(`cannot write to ${path}: choose another directory with PENSTOCK_DATA_DIR`);
  }
  const lock = join(path, 'lock');
  for (let tries = 0; ; tries++) {
    try {
      writeFileSync(lock, `${process.pid}\n`, { flag: 'wx' });
      return { path, release: () => rmSync(lock, { force: true }) };
    } catch {
      const owner = existsSync(lock) ? Number(readFileSync(lock, 'utf8')) : 0;
      if (tries > 3 || isAlive(owner)) {
        throw new StartError(
          `${path} is in use by process ${owner}: stop that one, or choose another with PENSTOCK_DATA_DIR`,
        );
      }
      // Left behind by a process that was killed.
      rmSync(lock, { force: true });
    }
  }
}

/** Not `recursive`: Node never returns from that below a directory where none can be created, such as /proc. */
function makeDirectory(path: string): void {
  if (existsSync(path)) {
    if (!statSync(path).isDirectory()) throw new Error('a file stands in its place');
    return;
  }
  makeDirectory(dirname(path));
  mkdirSync(path);
}

function isAlive(pid: number): boolean {
  if (!(pid > 0) || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (err) {
    return (err as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A key that is kept in the data directory: of clients of the API, or of people who log in to the console. */
export type KeyName = 'admin-key' | 'api-key';

const PREFIXES: Readonly<Record<KeyName, string>> = { 'admin-key': 'admin', 'api-key': 'sk-penstock' };

/** The given key, else the stored one, else a new one, which is stored readable by its owner only. */
export function keyOf(dir: string, name: KeyName, given: string | undefined): string {
  if (given !== undefined) return given;
  const file = join(dir, name);
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  const key = `${PREFIXES[name]}-${randomBytes(24).toString('hex')}`;
  writeFileSync(file, `${key}\n`, { mode: 0o600 });
  return key;
}
