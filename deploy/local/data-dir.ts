/** The data directory of a local stack: used by one process at a time, and holds the generated keys. */
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** What a file system says that has no hard links. */
const NO_LINKS = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'];

/** The start failed; the message is one line that names the remedy. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** What a disk says that takes no more. */
const NO_ROOM = ['ENOSPC', 'EDQUOT'];

/** The line for a start that found its disk full; null for any other error. */
export function roomTrouble(err: unknown): string | null {
  const code = err instanceof Error ? (err as NodeJS.ErrnoException).code : undefined;
  if (code === undefined || !NO_ROOM.includes(code)) return null;
  return `no room is left on the disk (${code}): make some, or choose a directory on another one with PENSTOCK_DATA_DIR`;
}

/** Creates and locks the directory. @returns its path, and a function that unlocks it. @throws StartError */
export function takeDataDir(dir: string): { path: string; release: () => void } {
  const path = resolve(dir);
  try {
    makeDirectory(path);
    accessSync(path, constants.W_OK);
    makePrivate(path);
  } catch {
    throw new StartError(`cannot write to ${path}: choose another directory with PENSTOCK_DATA_DIR`);
  }
  const lock = join(path, 'lock');
  for (let tries = 0; ; tries++) {
    if (isTaken(lock)) return { path, release: () => releaseOwn(lock) };
    const owner = ownerOf(lock);
    if (tries > 3 || isAlive(owner)) {
      throw new StartError(
        `${path} is in use by process ${owner}: stop that one, or choose another with PENSTOCK_DATA_DIR`,
      );
    }
    discard(lock, owner);
  }
}

/**
 * The lock has its owner from its first moment, so a crash leaves none without: it is written under another name, and then linked.
 * @returns whether it is ours.
 */
function isTaken(lock: string): boolean {
  const own = `${lock}.${process.pid}`;
  const owner = `${process.pid}\n`;
  writeFileSync(own, owner);
  try {
    linkSync(own, lock);
    return true;
  } catch (err) {
    if (!NO_LINKS.includes((err as NodeJS.ErrnoException).code ?? '')) return false;
  } finally {
    rmSync(own, { force: true });
  }
  try {
    writeFileSync(lock, owner, { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}

function releaseOwn(lock: string): void {
  if (ownerOf(lock) === process.pid) rmSync(lock, { force: true });
}

/** 0 where there is none, or it cannot be read. */
function ownerOf(lock: string): number {
  try {
    return Number(readFileSync(lock, 'utf8')) || 0;
  } catch {
    return 0;
  }
}

/** Removes the lock of a process that was killed. Where another start was faster, what is there now is its own, and goes back. */
function discard(lock: string, owner: number): void {
  const aside = `${lock}.${process.pid}.old`;
  try {
    renameSync(lock, aside);
    if (ownerOf(aside) !== owner) linkSync(aside, lock);
  } catch {
    // It is gone, or there is another one: the next attempt to take it will tell.
  }
  rmSync(aside, { force: true });
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

/**
 * Prompts and answers are in it, and the keys of the stack: nobody else of the machine may look, nor into what its processes will make. Left to its
 * owner where that is somebody else.
 */
function makePrivate(path: string): void {
  process.umask(0o077);
  const { uid, mode } = statSync(path);
  if (uid !== process.getuid?.() || (mode & 0o777) === 0o700) return;
  chmodSync(path, 0o700);
  // A release before this one left what it made open to read.
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    const at = join(entry.parentPath, entry.name);
    if ((entry.isFile() || entry.isDirectory()) && lstatSync(at).uid === uid)
      chmodSync(at, entry.isDirectory() ? 0o700 : 0o600);
  }
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

/**
 * A key that is kept in the data directory: of clients of the API, of people who log in to the console, the pepper of projects' keys, or the one with
 * which NATS encrypts its files.
 */
export type KeyName = 'admin-key' | 'api-key' | 'key-pepper' | 'nats-cipher-key';

const PREFIXES: Readonly<Record<KeyName, string>> = {
  'admin-key': 'admin',
  'api-key': 'sk-penstock',
  'key-pepper': 'pepper',
  'nats-cipher-key': 'cipher',
};

/** The given key, else the stored one, else a new one, which is stored readable by its owner only. */
export function keyOf(dir: string, name: KeyName, given: string | undefined): string {
  if (given !== undefined) return given;
  const file = join(dir, name);
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  const key = `${PREFIXES[name]}-${randomBytes(24).toString('hex')}`;
  writeFileSync(file, `${key}\n`, { mode: 0o600 });
  return key;
}
